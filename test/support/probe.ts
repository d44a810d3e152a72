import { Controller, Get, Res } from '@nestjs/common';
import type { Client } from 'cassandra-driver';
import type { Response as ExpressResponse } from 'express';
import supertest, { type Response } from 'supertest';
import { Endpoint } from '../../src/common/endpoint';
import { isReplay, newId } from '../../src/common/operation';
import { Post } from '../../src/idempotency/write-routes';
import type { Method } from './api';
import { rememberSecrets } from './run-log';

/** What the routes below did, and what they answer next. */
export const probe: {
  runs: { id: string; other: string; replay: boolean }[];
  outcome: (response: ExpressResponse) => unknown;
} = { runs: [], outcome: () => undefined };

function run(response: ExpressResponse): unknown {
  probe.runs.push({ id: newId('record'), other: newId('other'), replay: isReplay() });
  return probe.outcome(response);
}

/** Routes for the tests of what stands around all routes. */
@Controller('api/v1/probe')
export class ProbeController {
  @Post()
  @Endpoint({ access: 'self:read', summary: 'Probe', status: 201 })
  write(@Res({ passthrough: true }) response: ExpressResponse): unknown {
    return run(response);
  }

  @Post('public')
  @Endpoint({ access: 'public', summary: 'Probe without a caller' })
  anybody(@Res({ passthrough: true }) response: ExpressResponse): unknown {
    return run(response);
  }

  @Get()
  @Endpoint({ access: 'self:read', summary: 'Probe' })
  read(@Res({ passthrough: true }) response: ExpressResponse): unknown {
    return run(response);
  }
}

export interface Sent {
  token?: string;
  key?: string;
  body?: object;
  headers?: Record<string, string>;
}

/** Sends one request, and remembers the secrets of its answer. */
export async function sendTo(
  url: string,
  method: Method,
  path: string,
  sent: Sent,
): Promise<Response> {
  const agent = supertest(url);
  const request = agent[method](path).set(sent.headers ?? {});
  if (sent.token !== undefined) void request.set('Authorization', `Bearer ${sent.token}`);
  if (sent.key !== undefined) void request.set('Idempotency-Key', sent.key);
  if (sent.body !== undefined) void request.send(sent.body);
  const response = await request;
  rememberSecrets(response.body);
  return response;
}

export interface Row {
  seed: { toString(): string };
  attempt_id: { toString(): string };
  state: string;
  request_hash: Buffer;
  body: Buffer | null;
  headers: string | null;
}

/** The only row of an organization. */
export async function rowOf(client: Client, organizationId: string): Promise<Row> {
  const all = await client.execute('SELECT * FROM idempotency');
  const rows = all.rows.filter((row) => row.get('organization_id') === organizationId);
  expect(rows).toHaveLength(1);
  return rows[0] as unknown as Row;
}

/** Whether it is the answer of an earlier request. */
export const replayed = (response: Response) => response.headers['idempotency-replayed'] === 'true';
