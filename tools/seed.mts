// Fills a new organization with invented records, through the services: npm run seed
import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { acquireCluster } from './local-cassandra/cluster.mts';
import { LocalCassandraError } from './local-cassandra/common.mts';
import { type Body, type Kind, SeedData } from './seed-data.mts';
import {
  bucketsFor,
  type Caller,
  inParallel,
  type NewUser,
  type ObjectService,
  openApplication,
  OrganizationsService,
  PasswordService,
  Progress,
  Rebucketing,
  serviceOf,
  UsersService,
} from './server-parts.mts';
import { fail, loadEnv, say, untilAsked } from './terminal.mts';

const USAGE = `npm run seed -- --contacts 100000   fills a new organization with invented companies and contacts
    --organization ID               its id; a new one unless told
    --seed N                        the same number gives the same people; 1 unless told
    --parallel N                    records written at a time; 32 unless told
`;

const OPTIONS = {
  contacts: { type: 'string' },
  organization: { type: 'string' },
  seed: { type: 'string', default: '1' },
  parallel: { type: 'string', default: '32' },
} as const;

const ATTEMPTS = 5;

interface Task {
  contacts: number;
  organizationId: string;
  seed: number;
  parallel: number;
}

function readTask(): Task | undefined {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    const task = {
      contacts: Number(values.contacts),
      organizationId: values.organization ?? `seed_${randomUUID().slice(0, 8)}`,
      seed: Number(values.seed),
      parallel: Number(values.parallel),
    };
    const whole = [task.contacts, task.parallel, task.seed].every(Number.isSafeInteger);
    const bounded = task.contacts >= 1 && task.parallel >= 1 && task.parallel <= 200;
    const named = /^[A-Za-z0-9_-]{1,64}$/.test(task.organizationId);
    return whole && bounded && named && task.seed >= 0 ? task : undefined;
  } catch {
    return undefined;
  }
}

/** The organization with its users. @returns the password of all of them */
async function createUsers(
  app: INestApplicationContext,
  { organizationId }: Task,
  { users }: SeedData,
): Promise<string> {
  const password = randomBytes(12).toString('base64url');
  const passwordHash = await app.get(PasswordService).hash(password);
  const [admin, ...others] = users;
  if (!admin) throw new Error('An organization needs an admin');
  try {
    const owner: NewUser = { ...admin, passwordHash, role: 'admin' };
    await app.get(OrganizationsService).create(organizationId, owner);
  } catch (error) {
    if ((error as { code?: string }).code !== 'INVITATION_REQUIRED') throw error;
    throw new LocalCassandraError(`There is an organization "${organizationId}" already.`);
  }
  for (const user of others) {
    await app.get(UsersService).create(organizationId, { ...user, passwordHash, role: 'manager' });
  }
  return password;
}

/** Spreads what the organization is going to have, while it is empty and that costs nothing. */
async function growFor(app: INestApplicationContext, task: Task, { object, count }: Kind) {
  const buckets = bucketsFor(count);
  if (buckets === bucketsFor(0)) return;
  await app.get(Rebucketing).grow(task.organizationId, buckets, object, () => undefined);
}

/** Writes a record, again where the database was too busy: by its id it is written once. */
async function create(service: ObjectService, caller: Caller, body: Body): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await service.create(caller, body);
      return;
    } catch (error) {
      const {
        status = 500,
        code,
        details,
      } = error as {
        status?: number;
        code?: string;
        details?: { existing_id?: string };
      };
      if (code === 'DUPLICATE' && details?.existing_id === body.id && attempt > 1) return;
      if (attempt === ATTEMPTS || (status < 500 && code !== 'CONFLICT')) throw error;
    }
  }
}

async function seedKind(
  app: INestApplicationContext,
  task: Task,
  kind: Kind,
  signal: AbortSignal,
): Promise<void> {
  const service = serviceOf(app, kind.object);
  if (!service) return;
  await growFor(app, task, kind);
  const progress = new Progress(kind.object, kind.count);
  const bodies = function* () {
    for (let index = 0; index < kind.count; index++) {
      signal.throwIfAborted();
      yield kind.make();
    }
  };
  let done = 0;
  await inParallel(bodies(), task.parallel, async (body) => {
    const userId = body.owner_id as string;
    const { organizationId } = task;
    await create(service, { organizationId, userId, role: 'manager' }, body);
    progress.at(++done);
  });
  progress.end();
}

async function seed(task: Task, signal: AbortSignal): Promise<void> {
  const app = await openApplication();
  try {
    const data = new SeedData(task.seed, task.contacts);
    const password = await createUsers(app, task, data);
    for (const kind of data.kinds) await seedKind(app, task, kind, signal);
    console.log(`organization_id  ${task.organizationId}`);
    console.log(`email            ${data.users[0]?.email ?? ''}`);
    console.log(`password         ${password}`);
  } finally {
    await app.close();
  }
}

async function main(): Promise<number> {
  const task = readTask();
  if (!task) {
    process.stderr.write(USAGE);
    return 2;
  }
  loadEnv();
  if (process.env.NODE_ENV === 'production') {
    throw new LocalCassandraError('Invented people do not belong in production.');
  }
  const signal = untilAsked();
  if (process.env.CASSANDRA_CONTACT_POINTS) {
    await seed(task, signal);
    return 0;
  }
  const cluster = await acquireCluster({ nodes: 1, log: say, signal });
  try {
    signal.throwIfAborted();
    Object.assign(process.env, cluster.variables);
    await seed(task, signal);
  } finally {
    await cluster.release();
  }
  return 0;
}

main().then((code) => process.exit(code), fail);
