import { setTimeout as sleep } from 'node:timers/promises';
import supertest, { type Response } from 'supertest';
import type { Account } from './api';

export interface ImportBody {
  id: string;
  status: string;
  mapping: Record<string, string>;
  read_only_columns: string[];
  unmapped_columns: string[];
  encoding: string;
  delimiter: string;
  sample: { line: number; data?: object }[];
  progress: { done: number; total: number | null; counts: Record<string, number> };
  error: { code: string; message: string; details: unknown } | null;
}

export const importOf = (response: Response) => (response.body as { data: ImportBody }).data;

/** The routes of imports, as one caller. */
export class Importer {
  constructor(
    private readonly url: string,
    readonly account: Pick<Account, 'token'>,
  ) {}

  /** Sends a file, the fields before it. */
  async send(
    fields: Record<string, string>,
    file: Buffer | string | undefined,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const request = supertest(this.url).post('/api/v1/imports').set(headers);
    void request.set('Authorization', `Bearer ${this.account.token}`);
    for (const [name, value] of Object.entries(fields)) void request.field(name, value);
    if (file !== undefined) void request.attach('file', Buffer.from(file), 'file.csv');
    return request;
  }

  /** Sends a file that is taken. */
  async begin(fields: Record<string, string>, file: Buffer | string): Promise<ImportBody> {
    const response = await this.send(fields, file);
    if (response.status !== 202) throw new Error(`import answered ${response.text}`);
    return importOf(response);
  }

  async read(id: string): Promise<ImportBody> {
    return importOf(await this.get(`/api/v1/jobs/${id}`));
  }

  get(path: string): Promise<Response> {
    return Promise.resolve(
      supertest(this.url).get(path).set('Authorization', `Bearer ${this.account.token}`),
    );
  }

  post(path: string): Promise<Response> {
    return Promise.resolve(
      supertest(this.url).post(path).set('Authorization', `Bearer ${this.account.token}`),
    );
  }

  async errors(id: string): Promise<string[]> {
    const { text } = await this.get(`/api/v1/imports/${id}/errors`);
    return text
      .replace(/^\ufeff/, '')
      .split('\r\n')
      .slice(0, -1);
  }

  /** The job, when it is over. */
  async ended(id: string, seconds = 60): Promise<ImportBody> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
      const job = await this.read(id);
      if (['succeeded', 'failed', 'cancelled'].includes(job.status)) return job;
      await sleep(100);
    }
    throw new Error('it takes too long');
  }

  /** Imports a file to the end. */
  async run(fields: Record<string, string>, file: Buffer | string): Promise<ImportBody> {
    return this.ended((await this.begin(fields, file)).id);
  }
}
