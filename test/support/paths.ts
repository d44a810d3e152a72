/** An id that nobody has. */
export const UNKNOWN_ID = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';
/** A key that nobody has, of the form of one. */
export const UNKNOWN_KEY = 'nobodys_key';

/** A path of the OpenAPI document with its parameters filled in: what is not told, nobody has. */
export function fillPath(path: string, { id = UNKNOWN_ID, key = UNKNOWN_KEY } = {}): string {
  return path
    .replace('{object}', 'contacts')
    .replace('{source}', 'erp')
    .replace('{id}', id)
    .replace('{deliveryId}', '0')
    .replace('{key}', key);
}
