import { AppError, validationFailed } from '../common/errors';
import type { StoredRecord } from './record';

/** The entity tag of a version of a record. */
export const etagOf = ({ version }: Pick<StoredRecord, 'version'>) => `"${String(version)}"`;

/**
 * The versions that an If-Match header accepts; undefined for none given, or `*`.
 * @throws AppError VALIDATION_FAILED for what is not a tag of ours
 */
export function acceptedVersions(ifMatch: string | undefined): number[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined;
  return ifMatch.split(',').map((tag) => {
    const version = /^"(\d{1,9})"$/.exec(tag.trim())?.[1];
    if (version !== undefined) return Number(version);
    const message = 'If-Match must be the ETag of an answer, such as "3"';
    throw validationFailed([{ field: 'If-Match', rule: 'isEtag', message }]);
  });
}

/** Whether an If-None-Match header names the version that the caller already has. */
export function isUnchanged(ifNoneMatch: string | undefined, record: StoredRecord): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etagOf(record)) || tags.includes('*');
}

/** 412, with what has changed since the version that the caller knows, where that is kept. */
export function preconditionFailed(
  record: Pick<StoredRecord, 'version'>,
  changedFields?: string[],
): AppError {
  const details = {
    current_version: record.version,
    ...(changedFields && { changed_fields: changedFields }),
  };
  return new AppError('PRECONDITION_FAILED', { details });
}
