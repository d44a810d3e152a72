import type { Request } from 'express';
import { AppError } from '../common/errors';
import type { Principal } from '../common/principal';
import { isFinal } from './idempotency.service';
import { canonicalJson, digestOf, idempotencyKeyOf, scopeOfKey } from './idempotent-request';

interface Parts {
  method?: string;
  originalUrl?: string;
  headers?: Record<string, string>;
  headersDistinct?: Record<string, string[]>;
  body?: unknown;
}

const request = (parts: Parts): Request =>
  ({
    method: 'POST',
    originalUrl: '/api/v1/contacts?x=1',
    headers: {},
    headersDistinct: {},
    ...parts,
  }) as Request;
const keyed = (...keys: string[]) => request({ headersDistinct: { 'idempotency-key': keys } });

describe('The key of a request', () => {
  it.each(['a', ' ', '~', 'x'.repeat(255), '"8e03978e"'])('may be %j', (key) => {
    expect(idempotencyKeyOf(keyed(key))).toBe(key);
  });

  it.each([[['']], [['x'.repeat(256)]], [['ä']], [['a\tb']], [['a\u007f']], [['a', 'a']]])(
    'may not be %j',
    (keys) => {
      expect(() => idempotencyKeyOf(keyed(...keys))).toThrow(AppError);
    },
  );

  it('is one of writes only, and needed by none', () => {
    const headersDistinct = { 'idempotency-key': [''] };
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect(idempotencyKeyOf(request({ method, headersDistinct }))).toBeUndefined();
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(() => idempotencyKeyOf(request({ method, headersDistinct }))).toThrow(AppError);
      expect(idempotencyKeyOf(request({ method }))).toBeUndefined();
    }
  });

  it('counts for one organization, user, API key, method and path', () => {
    const principal: Principal = { organizationId: 'o1', userId: 'u1', role: 'admin' };
    const scope = (caller: Partial<Principal>, parts: Parts, key = 'k') =>
      scopeOfKey({ ...principal, ...caller }, request(parts), key);
    const scopes = [
      scope({}, {}),
      scope({ organizationId: 'o2' }, {}),
      scope({ userId: 'u2' }, {}),
      scope({ apiKeyId: 'a1' }, {}),
      scope({ apiKeyId: 'a2' }, {}),
      scope({}, { method: 'PATCH' }),
      scope({}, { originalUrl: '/api/v1/contacts/1' }),
      scope({}, {}, 'K'),
    ];
    expect(new Set(scopes.map((one) => JSON.stringify(one))).size).toBe(scopes.length);
    // Another session is the same user, another query the same route.
    expect(scope({ sessionId: 's2' }, { originalUrl: '/api/v1/contacts?y' })).toEqual(scopes[0]);
  });
});

describe('Two requests', () => {
  it('are the same with their fields in another order, at any depth', () => {
    const one = { a: 1, b: { c: [{ d: null, e: 'x' }], f: true } };
    const other = { b: { f: true, c: [{ e: 'x', d: null }] }, a: 1 };
    expect(digestOf(request({ body: one }))).toEqual(digestOf(request({ body: other })));
    expect(canonicalJson(other)).toBe('{"a":1,"b":{"c":[{"d":null,"e":"x"}],"f":true}}');
  });

  it('are not the same with anything else changed', () => {
    const base: Parts = { headers: { 'if-match': '"1"' }, body: { a: [1, 2] } };
    const others: Parts[] = [
      {},
      { method: 'PUT' },
      { originalUrl: '/api/v1/contacts?x=2' },
      { originalUrl: '/api/v1/contacts' },
      { headers: { 'if-match': '"2"' } },
      { headers: {} },
      { body: { a: [2, 1] } },
      { body: { a: ['1', 2] } },
      { body: { a: [1, 2], b: null } },
      { body: {} },
      { body: undefined },
    ];
    const digests = others.map((parts) => digestOf(request({ ...base, ...parts })).toString('hex'));
    expect(new Set(digests).size).toBe(others.length);
  });
});

describe('An answer', () => {
  const final = (status: number, headers = {}) => isFinal({ status, headers, body: null });

  it.each([200, 201, 202, 204, 207, 400, 404, 409, 412, 422])('of status %i stands', (status) => {
    expect(final(status)).toBe(true);
  });

  it.each([401, 403, 408, 429, 500, 503])('of status %i does not', (status) => {
    expect(final(status)).toBe(false);
  });

  it('does not stand when it says when to ask again', () => {
    expect(final(409, { 'Retry-After': '3' })).toBe(false);
  });
});
