import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, ApiClient, type Request } from './api-client.mts';
import type { History, Operation } from './history.mts';
import { Random } from './random.mts';

export interface Organization {
  id: string;
  admin: Account;
  /** Contacts that several clients change at once. */
  counters: string[];
  /** A user that one client changes. */
  userId: string;
}

/** Somebody who tried to register, to be tried again in the end. */
export interface Contender {
  organization: string;
  email: string;
  password: string;
}

/** One turn of a client, which takes turns until it is stopped. */
export type Workload = (
  world: World,
  client: ApiClient,
  organization: Organization,
) => Promise<void>;

/** What the clients have in common. */
export class World {
  readonly history: History;
  readonly organizations: Organization[] = [];
  readonly contenders: Contender[] = [];
  /** Part of every name; what the clients choose follows from it. */
  readonly tag: string;
  private readonly urls: () => string[];
  private readonly clients = new Map<string, ApiClient>();
  private count = 0;

  constructor(history: History, tag: string, urls: () => string[]) {
    this.history = history;
    this.tag = tag;
    this.urls = urls;
  }

  /** The client of a name, always the same: its choices follow from the seed and its name. */
  client(name: string): ApiClient {
    const known = this.clients.get(name);
    if (known) return known;
    const random = Random.of(`${this.tag} ${name}`);
    const client = new ApiClient(name, this.history, this.urls, random);
    this.clients.set(name, client);
    return client;
  }

  /** Operations that can be sent again, to learn what became of them. */
  takeOpen(): Request[] {
    return [...this.clients.values()].flatMap(({ open }) => open.splice(0));
  }

  /** A name that nothing else has. */
  name(what: string): string {
    this.count++;
    return `${what}-${this.tag}-${String(this.count)}`;
  }

  email(): string {
    return `${this.name('mail')}@example.com`;
  }

  /** Two organizations with what the workloads begin with. */
  async prepare(organizations: number, counters: number): Promise<void> {
    const client = this.client('setup');
    for (let index = 0; index < organizations; index++) {
      const contender = this.contender(this.name('org'));
      const admin = await this.signUp(client, contender);
      const member = this.contender(admin.organization);
      const added = await client.send({
        ...this.registration(member),
        kind: 'user',
        marker: member.email,
        key: this.name('key'),
        account: admin,
      });
      const userId = idOf(added, 'user');
      const created: string[] = [];
      for (let count = 0; count < counters; count++) {
        created.push(idOf(await this.createContact(client, admin)));
      }
      this.organizations.push({ id: admin.organization, admin, counters: created, userId });
    }
  }

  contender(organization: string): Contender {
    const contender = { organization, email: this.email(), password: this.name('correct-horse') };
    this.contenders.push(contender);
    return contender;
  }

  registration({ organization, email, password }: Contender) {
    return {
      workload: 'registrations',
      method: 'POST',
      path: '/api/auth/register',
      organization,
      body: { organization_id: organization, email, password },
    } as const;
  }

  createContact(client: ApiClient, account: Account, fields: Record<string, unknown> = {}) {
    const marker = this.name('m');
    return client.send({
      workload: 'records',
      kind: 'create',
      method: 'POST',
      path: '/api/v1/contacts',
      body: { last_name: marker, ...fields },
      marker,
      key: this.name('key'),
      account,
    });
  }

  /** The token is in no log: it is asked for by a request beside it. */
  private async signUp(client: ApiClient, contender: Contender): Promise<Account> {
    const operation = await client.send({
      ...this.registration(contender),
      kind: 'organization',
      marker: contender.email,
    });
    const token = await this.login(contender);
    const id = idOf(operation, 'user');
    if (token === undefined) throw new Error('The first registration cannot sign in');
    return { id, organization: contender.organization, token };
  }

  /** undefined where the credentials are not good. @throws Error where no server answers */
  async login({ organization, email, password }: Contender): Promise<string | undefined> {
    for (let attempt = 0; attempt < 20; attempt++) {
      const urls = this.urls();
      const response = await fetch(`${urls[attempt % urls.length] ?? ''}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ organization_id: organization, email, password }),
        signal: AbortSignal.timeout(20_000),
      }).catch(() => undefined);
      if (response?.status === 200) {
        const { data } = (await response.json()) as { data: { access_token: string } };
        return data.access_token;
      }
      if (response?.status === 401) return undefined;
      await sleep(1000);
    }
    throw new Error('No server takes a login');
  }
}

/** The id in the answer of a write that was acknowledged. @throws Error where it was not */
export function idOf(operation: Operation, part?: string): string {
  const data = operation.data as Record<string, unknown> | null;
  const record = (part === undefined ? data : data?.[part]) as { id?: string } | undefined;
  if (operation.outcome === 'ok' && record?.id !== undefined) return record.id;
  const { sent, tries } = operation;
  throw new Error(`${sent.method} ${sent.path} came to ${tries.join(', ')}`);
}
