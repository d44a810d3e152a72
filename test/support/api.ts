import { randomUUID } from 'node:crypto';
import supertest, { type Response, type Test } from 'supertest';
import { rememberSecrets } from './run-log';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Long and random enough for no list of common passwords. */
export const newPassword = () => `pw-${randomUUID()}`;
export const newOrganizationId = () => `org_${randomUUID()}`;
export const newEmail = () => `${randomUUID()}@example.com`;

/** A registered user, with all that is needed to act as him. */
export interface Account {
  id: string;
  organizationId: string;
  email: string;
  password: string;
  token: string;
  refreshToken: string;
}

interface SignInBody {
  data: { user: { id: string }; access_token: string; refresh_token: string };
}

/** A client of a running server. Remembers every secret it sends or gets. */
export class Api {
  constructor(private readonly url: string) {}

  async call(method: Method, path: string, body?: object, token?: string): Promise<Response> {
    const request: Test = supertest(this.url)[method](path);
    if (token !== undefined) void request.set('Authorization', `Bearer ${token}`);
    if (body !== undefined) {
      rememberSecrets(body);
      void request.send(body);
    }
    const response = await request;
    rememberSecrets(response.body);
    return response;
  }

  get(path: string, token?: string): Promise<Response> {
    return this.call('get', path, undefined, token);
  }

  post(path: string, body?: object, token?: string): Promise<Response> {
    return this.call('post', path, body, token);
  }

  patch(path: string, body: object, token?: string): Promise<Response> {
    return this.call('patch', path, body, token);
  }

  delete(path: string, token?: string): Promise<Response> {
    return this.call('delete', path, undefined, token);
  }

  register(body: object, token?: string): Promise<Response> {
    return this.post('/api/auth/register', body, token);
  }

  login(body: object): Promise<Response> {
    return this.post('/api/auth/login', body);
  }

  /** A new organization with its admin. */
  async newAdmin(organizationId = newOrganizationId()): Promise<Account> {
    const account = { organization_id: organizationId, email: newEmail(), password: newPassword() };
    const response = await this.register(account);
    if (response.status !== 201) throw new Error(`register answered ${response.text}`);
    return this.account(organizationId, account.email, account.password, response);
  }

  /** A user whom the admin adds to his organization, signed in. */
  async newUser(admin: Account, role: string): Promise<Account> {
    const { organizationId } = admin;
    const account = { organization_id: organizationId, email: newEmail(), password: newPassword() };
    const added = await this.register({ ...account, role }, admin.token);
    if (added.status !== 201) throw new Error(`register answered ${added.text}`);
    const response = await this.login(account);
    return this.account(organizationId, account.email, account.password, response);
  }

  private account(
    organizationId: string,
    email: string,
    password: string,
    response: Response,
  ): Account {
    const { data } = response.body as SignInBody;
    return {
      id: data.user.id,
      organizationId,
      email,
      password,
      token: data.access_token,
      refreshToken: data.refresh_token,
    };
  }
}

/** How often each status came, e.g. `{201: 1, 409: 99}`. */
export function countStatuses(responses: Response[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of responses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
