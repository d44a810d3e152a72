import jwt from 'jsonwebtoken';
import { createDocument } from '../../src/openapi';
import type { Account, Method } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { TEST_SECRET } from '../support/config';
import { fillPath } from '../support/paths';

/** Every kind of caller there is. */
const CALLERS = [
  'none',
  'viewer',
  'member',
  'manager',
  'admin',
  // The admin of another organization: at home he may, here there is nothing for him (404).
  'stranger',
  'deactivated',
  'expired',
  'key',
] as const;
type CallerKind = (typeof CALLERS)[number];

/** Who gets past the guard; the others answer 401 or 403 as `refusal` says. */
const EVERYBODY: CallerKind[] = [...CALLERS];
const KEYS_TOO: CallerKind[] = ['viewer', 'member', 'manager', 'admin', 'stranger', 'key'];
const PEOPLE: CallerKind[] = ['viewer', 'member', 'manager', 'admin', 'stranger'];
const ADMINS: CallerKind[] = ['admin', 'stranger'];
const MANAGERS: CallerKind[] = ['manager', ...ADMINS, 'key'];

const WRITERS: CallerKind[] = ['member', 'manager', 'admin', 'stranger', 'key'];

/** The rows of a kind of record. Which of its records one reaches is tested in record-permissions. */
function rowsOf(object: string): Record<string, CallerKind[]> {
  const path = `/api/v1/${object}`;
  return {
    [`GET ${path}`]: KEYS_TOO,
    [`POST ${path}`]: WRITERS,
    [`POST ${path}/batch`]: WRITERS,
    [`PUT ${path}/external/{source}/{key}`]: WRITERS,
    [`GET ${path}/export`]: KEYS_TOO,
    [`GET ${path}/{id}`]: KEYS_TOO,
    [`PATCH ${path}/{id}`]: WRITERS,
    [`DELETE ${path}/{id}`]: WRITERS,
    [`POST ${path}/{id}/restore`]: WRITERS,
    [`POST ${path}/{id}/merge`]: WRITERS,
    [`GET ${path}/{id}/history`]: KEYS_TOO,
    [`GET ${path}/{id}/timeline`]: KEYS_TOO,
    [`GET ${path}/{id}/duplicates`]: KEYS_TOO,
  };
}

/** The table: a route that is not in it fails the test. */
const MATRIX: Record<string, CallerKind[]> = {
  'GET /health': EVERYBODY,
  'GET /health/live': EVERYBODY,
  'GET /health/ready': EVERYBODY,
  'GET /health/startup': EVERYBODY,
  'GET /api/v1/ping': EVERYBODY,
  // No token is welcome; a bad one is not.
  'POST /api/auth/register': ['none', ...KEYS_TOO],
  'POST /api/auth/login': EVERYBODY,
  'POST /api/auth/refresh': EVERYBODY,
  'POST /api/auth/password/forgot': EVERYBODY,
  'POST /api/auth/password/reset': EVERYBODY,
  'POST /api/auth/password': PEOPLE,
  'POST /api/auth/logout': PEOPLE,
  'GET /api/auth/sessions': KEYS_TOO,
  'DELETE /api/auth/sessions/{id}': PEOPLE,
  'GET /api/v1/roles': KEYS_TOO,
  'GET /api/v1/users': KEYS_TOO,
  'GET /api/v1/users/me': KEYS_TOO,
  'PATCH /api/v1/users/me': PEOPLE,
  'GET /api/v1/users/{id}': KEYS_TOO,
  'PATCH /api/v1/users/{id}': ADMINS,
  'DELETE /api/v1/users/{id}': ADMINS,
  'DELETE /api/v1/users/{id}/sessions': ADMINS,
  'GET /api/v1/organization': KEYS_TOO,
  'PATCH /api/v1/organization': ADMINS,
  'DELETE /api/v1/organization': ADMINS,
  'POST /api/v1/organization/export': ADMINS,
  'GET /api/v1/changes': MANAGERS,
  'GET /api/v1/contacts/{id}/export': KEYS_TOO,
  // Of the members nobody gets further: it takes all contacts, not the own ones.
  'POST /api/v1/contacts/{id}/erase': WRITERS,
  'GET /api/v1/webhooks': ADMINS,
  'POST /api/v1/webhooks': ADMINS,
  'GET /api/v1/webhooks/{id}': ADMINS,
  'PATCH /api/v1/webhooks/{id}': ADMINS,
  'DELETE /api/v1/webhooks/{id}': ADMINS,
  'POST /api/v1/webhooks/{id}/rotate-secret': ADMINS,
  'GET /api/v1/webhooks/{id}/deliveries': ADMINS,
  'POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/redeliver': ADMINS,
  'GET /api/v1/audit': [...ADMINS, 'key'],
  'POST /api/v1/imports': KEYS_TOO,
  'GET /api/v1/imports/{id}': KEYS_TOO,
  'GET /api/v1/imports/{id}/errors': KEYS_TOO,
  'POST /api/v1/imports/{id}/cancel': KEYS_TOO,
  'POST /api/v1/imports/{id}/revert': KEYS_TOO,
  'GET /api/v1/jobs': KEYS_TOO,
  'GET /api/v1/jobs/{id}': KEYS_TOO,
  'GET /api/v1/fields/{object}': KEYS_TOO,
  'POST /api/v1/fields/{object}': [...ADMINS, 'key'],
  'GET /api/v1/fields/{object}/{key}': KEYS_TOO,
  'PATCH /api/v1/fields/{object}/{key}': [...ADMINS, 'key'],
  'DELETE /api/v1/fields/{object}/{key}': [...ADMINS, 'key'],
  ...rowsOf('companies'),
  ...rowsOf('contacts'),
  ...rowsOf('deals'),
  ...rowsOf('activities'),
  'GET /api/v1/pipelines': KEYS_TOO,
  'POST /api/v1/pipelines': MANAGERS,
  'GET /api/v1/pipelines/{id}': KEYS_TOO,
  'PATCH /api/v1/pipelines/{id}': MANAGERS,
  'DELETE /api/v1/pipelines/{id}': MANAGERS,
  'GET /api/v1/pipelines/{id}/board': KEYS_TOO,
  'GET /api/v1/pipelines/{id}/forecast': KEYS_TOO,
  'GET /api/v1/pipelines/{id}/conversion': KEYS_TOO,
  'GET /api/v1/search': KEYS_TOO,
  'GET /api/v1/invitations': ADMINS,
  'POST /api/v1/invitations': ADMINS,
  'DELETE /api/v1/invitations/{id}': ADMINS,
  'GET /api/v1/api-keys': ADMINS,
  'POST /api/v1/api-keys': ADMINS,
  'DELETE /api/v1/api-keys/{id}': ADMINS,
};

const refusal = (caller: CallerKind) =>
  ['none', 'deactivated', 'expired'].includes(caller) ? 401 : 403;

describe('Every route for every kind of caller', () => {
  let server: TestApp;
  let admin: Account;
  const tokens = new Map<CallerKind, string | undefined>();

  beforeAll(async () => {
    server = await startApp();
    admin = await server.api.newAdmin();
    for (const role of ['viewer', 'member', 'manager'] as const) {
      tokens.set(role, (await server.api.newUser(admin, role)).token);
    }
    const leaver = await server.api.newUser(admin, 'admin');
    await server.api.delete(`/api/v1/users/${leaver.id}`, admin.token);
    const key = await server.api.post(
      '/api/v1/api-keys',
      { name: 'x', role: 'admin' },
      admin.token,
    );
    const claims = jwt.decode(admin.token) as object;
    const header = { alg: 'HS256', typ: 'at+jwt', kid: 'default' };
    tokens.set('none', undefined);
    tokens.set('admin', admin.token);
    tokens.set('stranger', (await server.api.newAdmin()).token);
    tokens.set('deactivated', leaver.token);
    tokens.set('expired', jwt.sign({ ...claims, exp: 1 }, TEST_SECRET, { header }));
    tokens.set('key', (key.body as { data: { key: string } }).data.key);
  });
  afterAll(() => server.close());

  it('E2: has a row in the table, and the table no other', () => {
    const document = createDocument(server.app);
    const routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.sort()).toEqual(Object.keys(MATRIX).sort());
  });

  it.each(Object.entries(MATRIX))('%s', async (route, allowed) => {
    const [method = '', path = ''] = route.split(' ');
    // An id that nobody has, and an empty body: whoever gets past the guard is told 404 or 400.
    const url = fillPath(path);
    const body = method === 'GET' || (path.includes('{') && method === 'DELETE') ? undefined : {};
    for (const caller of CALLERS) {
      let token = tokens.get(caller);
      if (path === '/api/auth/logout' && PEOPLE.includes(caller)) {
        const role = caller === 'stranger' ? 'admin' : caller;
        token = (await server.api.newUser(admin, role)).token;
      }
      const { status } = await server.api.call(method.toLowerCase() as Method, url, body, token);
      const past = status !== 401 && status !== 403;
      // Without a token to refuse, refresh and the like refuse what is in the body: 400.
      const expected = allowed.includes(caller) ? 'past' : refusal(caller);
      expect([caller, past ? 'past' : status]).toEqual([caller, expected]);
    }
  });
});
