import type { Response } from 'supertest';
import type { Account, Method } from './api';
import { expectError } from './envelope';
import { sendTo } from './probe';

/** A record as it is answered. */
export interface RecordBody {
  id: string;
  version: number;
  [field: string]: unknown;
}

export interface ListBody {
  data: RecordBody[];
  meta: { limit: number; next_cursor: string | null };
}

export interface ResultBody {
  status: number;
  data?: RecordBody;
  error?: { code: string; details: unknown };
}

export { UNKNOWN_ID } from './paths';

export const dataOf = (response: Response) => (response.body as { data: RecordBody }).data;
export const idsOf = (records: readonly { id: string }[]) => records.map(({ id }) => id);

/** The routes of records, as one caller. Paths are those behind /api/v1/. */
export class Crm {
  constructor(
    private readonly url: string,
    readonly account: Pick<Account, 'id' | 'organizationId' | 'token'>,
  ) {}

  send(
    method: Method,
    path: string,
    body?: object,
    { key, ...headers }: Record<string, string> = {},
  ): Promise<Response> {
    const { token } = this.account;
    return sendTo(this.url, method, `/api/v1/${path}`, { token, body, key, headers });
  }

  get(path: string, headers?: Record<string, string>): Promise<Response> {
    return this.send('get', path, undefined, headers);
  }

  async create(object: string, body: object): Promise<RecordBody> {
    return this.ok(201, await this.send('post', object, body));
  }

  async read(object: string, id: string): Promise<RecordBody> {
    return this.ok(200, await this.get(`${object}/${id}`));
  }

  async patch(object: string, id: string, body: object): Promise<RecordBody> {
    return this.ok(200, await this.send('patch', `${object}/${id}`, body));
  }

  async remove(object: string, id: string): Promise<void> {
    const response = await this.send('delete', `${object}/${id}`);
    if (response.status !== 204) throw new Error(`DELETE answered ${response.text}`);
  }

  async merge(object: string, id: string, ...losers: string[]): Promise<RecordBody> {
    const path = `${object}/${id}/merge`;
    return this.ok(200, await this.send('post', path, { loser_ids: losers }));
  }

  async restore(object: string, id: string): Promise<RecordBody> {
    return this.ok(200, await this.send('post', `${object}/${id}/restore`));
  }

  async batch(object: string, operation: string, items: unknown[]): Promise<ResultBody[]> {
    const response = await this.send('post', `${object}/batch`, { operation, items });
    if (response.status !== 207) throw new Error(`batch answered ${response.text}`);
    return (response.body as { data: ResultBody[] }).data;
  }

  async page(path: string, query: Record<string, string | number> = {}): Promise<ListBody> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    const response = await this.get(`${path}?${parameters.toString()}`);
    if (response.status !== 200) throw new Error(`GET ${path} answered ${response.text}`);
    return response.body as ListBody;
  }

  /** The records of every page, in their order. */
  async walk(path: string, query: Record<string, string | number> = {}): Promise<RecordBody[]> {
    const found: RecordBody[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: ListBody = await this.page(path, { ...query, ...(cursor ? { cursor } : {}) });
      found.push(...page.data);
      cursor = page.meta.next_cursor;
    }
    return found;
  }

  private ok(status: number, response: Response): RecordBody {
    if (response.status !== status) throw new Error(`answered ${response.text}`);
    return dataOf(response);
  }
}

/** The faults of a 400 answer, each as `field rule`. */
export function faultsOf(response: Response): string[] {
  expectError(response.body, 'VALIDATION_FAILED');
  expect(response.status).toBe(400);
  const { details } = response.body as { details: { field: string; rule: string }[] };
  return details.map(({ field, rule }) => `${field} ${rule}`);
}

/** Fails unless the answer is 409 with the record in the way. */
export function expectDuplicate(response: Response, field: string, existingId: string): void {
  expectError(response.body, 'DUPLICATE');
  expect(response.status).toBe(409);
  expect(response.body).toMatchObject({ details: { field, existing_id: existingId } });
}

/** Does something many times, so many at a time. */
export async function inParallel<T>(
  times: number,
  atOnce: number,
  work: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const one = async () => {
    for (let index = next++; index < times; index = next++) results[index] = await work(index);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return results;
}
