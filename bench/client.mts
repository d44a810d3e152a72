// A client of the API that costs little itself: on a machine that it shares with the server, what
// the client takes is missing there.
import { randomUUID } from 'node:crypto';
import { Pool } from 'undici';
import type { Login } from './seeded.mts';

export interface Answer<T> {
  data: T;
  meta?: { next_cursor: string | null };
}

export class Client {
  private readonly pool: Pool;
  private token = '';

  constructor(url: string, connections = 1) {
    this.pool = new Pool(url, { connections });
  }

  /** @throws Error for every answer but 2xx */
  async send<T>(
    method: string,
    path: string,
    body?: object | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const answer = await this.pool.request({
      method,
      path,
      headers: {
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      body: body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
    const { statusCode } = answer;
    const text = await answer.body.text();
    if (statusCode < 200 || statusCode > 299) {
      throw new Error(`${method} ${path} answered ${String(statusCode)}: ${text}`);
    }
    return (text === '' ? { data: null } : JSON.parse(text)) as Answer<T>;
  }

  /** A new organization, whose admin this client is from now on. */
  async register(): Promise<Login> {
    const login = {
      organization_id: `org_${randomUUID()}`,
      email: 'a@example.com',
      password: randomUUID(),
    };
    await this.authenticate('register', login);
    return login;
  }

  login(login: Login): Promise<void> {
    return this.authenticate('login', login);
  }

  /** Lets go of the connections. */
  close(): void {
    void this.pool.destroy();
  }

  private async authenticate(how: 'register' | 'login', login: Login): Promise<void> {
    const path = `/api/auth/${how}`;
    const { data } = await this.send<{ access_token: string }>('POST', path, login);
    this.token = data.access_token;
  }
}

/** Does `work` for 0 to `count`, `atOnce` of them at a time. */
export async function inParallel(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, one));
}
