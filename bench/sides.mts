// The two sides of a comparison, as they would run in production: the same database and login to it, the
// same cost of a password, a line in the log for every request.
import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.mts';
import { databaseClient } from './database.mts';
import { installPlain, PLAIN_SERVER, PlainData } from './plain.mts';
import { type Login, run } from './seeded.mts';
import { type Server, startServer } from './server.mts';

export const BCRYPT_COST = Number(process.env.BCRYPT_COST ?? '10');

/** One user and his server. */
export interface Side {
  server: Server;
  login: Login;
  token: string;
}

export interface Sides {
  ours: Side;
  theirs: Side;
}

/** Starts each side as often as it is wanted; both work on a database that is there already. */
export interface Starter {
  ours: (nodeArgs?: string[]) => Promise<Server>;
  theirs: (nodeArgs?: string[]) => Promise<Server>;
}

/**
 * More than anybody asks for here: everything is counted, and nobody is turned away. By the second, since
 * what is remembered of a minute is as much as what a limit lets through in it, and that is never so much.
 */
const LIMITS = Object.fromEntries(
  ['LOGIN', 'LOGIN_ACCOUNT', 'LOGIN_ADDRESS', 'REGISTER', 'REQUEST'].map((name) => [
    `${name}_LIMIT`,
    '5000000/1s',
  ]),
);

/** Production refuses the login that Cassandra comes with. */
async function createRole(): Promise<{ name: string; password: string }> {
  const role = { name: 'bench', password: randomBytes(24).toString('hex') };
  const client = databaseClient();
  try {
    await client.execute(`CREATE ROLE IF NOT EXISTS ${role.name}`);
    await client.execute(
      `ALTER ROLE ${role.name} WITH PASSWORD = '${role.password}' AND LOGIN = true AND SUPERUSER = true`,
    );
  } finally {
    await client.shutdown();
  }
  return role;
}

export async function prepare(data: PlainData): Promise<Starter> {
  installPlain();
  const { code } = await run(['dist/cli/migrate.js']);
  if (code !== 0) throw new Error('The schema cannot be created');
  await data.create(BCRYPT_COST);
  const { name, password } = await createRole();
  const variables = {
    ...LIMITS,
    NODE_ENV: 'production',
    RATE_LIMITS: 'on',
    LOG_LEVEL: 'info',
    LOG_FORMAT: 'json',
    BCRYPT_COST: String(BCRYPT_COST),
    JWT_SECRET: randomBytes(48).toString('base64'),
    JWT_EXPIRES_IN: '1h',
    CASSANDRA_USERNAME: name,
    CASSANDRA_PASSWORD: password,
    // Production wants one; no mail is sent.
    SMTP_URL: 'smtp://127.0.0.1:2525',
    SHUTDOWN_DELAY: '0',
  };
  return {
    ours: (nodeArgs) => startServer(variables, nodeArgs, 'ignore'),
    theirs: (nodeArgs) => startServer(variables, nodeArgs, 'ignore', PLAIN_SERVER),
  };
}

export async function signIn(url: string, login: Login): Promise<string> {
  const response = await fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(login),
  });
  if (!response.ok) throw new Error(`The sign-in answered ${await response.text()}`);
  return ((await response.json()) as { data: { access_token: string } }).data.access_token;
}

/** Both servers, each with a user who is signed in. */
export async function startSides(
  start: Starter,
  data: PlainData,
  nodeArgs: { ours?: string[]; theirs?: string[] } = {},
): Promise<Sides> {
  const ours = await start.ours(nodeArgs.ours);
  const theirs = await start.theirs(nodeArgs.theirs);
  const login = await new Client(ours.url).register();
  return {
    ours: { server: ours, login, token: await signIn(ours.url, login) },
    theirs: { server: theirs, login: data.login, token: await signIn(theirs.url, data.login) },
  };
}

export async function stopSides({ ours, theirs }: Sides): Promise<void> {
  await Promise.all([ours.server.stop(), theirs.server.stop()]);
}

const QUIET = 0.85;
const LOOK_MS = 3000;
const PATIENCE_MS = 180_000;

/** The share of the time in which the processors have nothing to do. */
async function idleShare(): Promise<number> {
  const sum = () => {
    const all = cpus().map(({ times }) => times);
    const idle = all.reduce((total, times) => total + times.idle, 0);
    const busy = all.reduce(
      (total, { user, nice, sys, irq }) => total + user + nice + sys + irq,
      0,
    );
    return { idle, total: idle + busy };
  };
  const before = sum();
  await sleep(LOOK_MS);
  const after = sum();
  return (after.idle - before.idle) / (after.total - before.total);
}

/** Waits until what was written has been dealt with, by the workers and by the database. */
export async function settle(): Promise<void> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  while ((await idleShare()) < QUIET) {
    if (Date.now() < giveUpAt) continue;
    console.error('The machine does not come to rest: the figures have other work in them');
    return;
  }
}
