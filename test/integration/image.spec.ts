import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { auth, Client } from 'cassandra-driver';
import { databaseVariables, TEST_KEYSPACE } from '../support/config';
import { type Instruction, readCopy, readDockerfile, type Stage } from '../support/dockerfile';
import { freePort } from '../support/process';

const PROJECT = join(__dirname, '..', '..');

/** Does in a folder what the Dockerfile does in an image: as far as files go. */
class Image {
  private readonly root = mkdtempSync(join(tmpdir(), 'crm-image-'));
  private readonly stages = readDockerfile(PROJECT);
  readonly folder: string;
  readonly last: Stage;

  constructor() {
    for (const [index, stage] of this.stages.entries()) {
      const folder = join(this.root, stage.name ?? String(index));
      mkdirSync(folder);
      for (const instruction of stage.instructions) this.perform(folder, instruction);
    }
    const last = this.stages.at(-1);
    if (!last) throw new Error('The Dockerfile has no stage');
    this.last = last;
    this.folder = join(this.root, last.name ?? String(this.stages.length - 1));
  }

  private perform(folder: string, { name, rest }: Instruction): void {
    if (name === 'RUN') {
      // Here the compiler and its packages are there already.
      if (rest.startsWith('npm ci --ignore-scripts') || rest.includes('nest build')) return;
      execFileSync('sh', ['-c', rest], { cwd: folder, stdio: 'pipe' });
    }
    if (name !== 'COPY') return;
    const { from, what, to } = readCopy(rest);
    for (const path of what) {
      const isBuilt = from === 'build' && path === '/app/dist';
      const source =
        from === undefined || isBuilt
          ? join(PROJECT, path.replace(/^\/app\//, ''))
          : join(this.root, from, path.replace(/^\/app\//, ''));
      const target = to.endsWith('/') ? join(folder, to, basename(path)) : join(folder, to);
      cpSync(source, target, { recursive: true, verbatimSymlinks: true });
    }
  }

  /** Every file with the time of its last change, but those of packages. */
  state(): string[] {
    return readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => !file.startsWith('node_modules/'))
      .map((file) => `${file} ${String(statSync(join(this.folder, file)).mtimeMs)}`)
      .sort();
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

/** Production refuses the login that the database of the tests has. */
async function createLogin(username: string, password: string): Promise<void> {
  const database = databaseVariables();
  const client = new Client({
    contactPoints: (database.CASSANDRA_CONTACT_POINTS ?? '').split(','),
    protocolOptions: { port: Number(database.CASSANDRA_PORT ?? '9042') },
    localDataCenter: database.CASSANDRA_DATACENTER ?? 'datacenter1',
    authProvider: new auth.PlainTextAuthProvider(
      database.CASSANDRA_USERNAME ?? 'cassandra',
      database.CASSANDRA_PASSWORD ?? 'cassandra',
    ),
  });
  await client.execute(
    `CREATE ROLE ${username} WITH PASSWORD = '${password}' AND LOGIN = true AND SUPERUSER = true`,
  );
  await client.shutdown();
}

describe('What the Dockerfile puts into the image', () => {
  let image: Image;
  beforeAll(() => {
    image = new Image();
  }, 120_000);
  afterAll(() => {
    image.remove();
  });

  it('migrates, starts in production and changes no file of its own', async () => {
    const username = `image_${randomBytes(4).toString('hex')}`;
    const password = randomBytes(16).toString('hex');
    await createLogin(username, password);
    const port = await freePort();
    const env = {
      PATH: process.env.PATH ?? '',
      ...databaseVariables(),
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      WORKERS: 'off',
      SHUTDOWN_DELAY: '0',
      CASSANDRA_KEYSPACE: TEST_KEYSPACE,
      CASSANDRA_USERNAME: username,
      CASSANDRA_PASSWORD: password,
      JWT_SECRET: randomBytes(48).toString('base64'),
      SMTP_URL: 'smtp://127.0.0.1:1',
    };
    const before = image.state();
    const run = { cwd: image.folder, env, encoding: 'utf8' } as const;
    expect(execFileSync(process.execPath, ['dist/cli/migrate.js'], run)).toContain('up to date');

    const command = image.last.instructions.findLast(({ name }) => name === 'CMD');
    const [program, ...args] = JSON.parse(command?.rest ?? '[]') as string[];
    expect(program).toBe('node');
    const server = spawn(process.execPath, args, { cwd: image.folder, env, stdio: 'ignore' });
    const ended = new Promise((resolve) => server.once('exit', resolve));
    try {
      const check = image.last.instructions.find(({ name }) => name === 'HEALTHCHECK');
      const healthy = JSON.parse(/CMD (.*)$/.exec(check?.rest ?? '')?.[1] ?? '[]') as string[];
      const isHealthy = () => {
        try {
          execFileSync(process.execPath, healthy.slice(1), run);
          return true;
        } catch {
          return false;
        }
      };
      expect(isHealthy()).toBe(false);
      while (!isHealthy() && server.exitCode === null) await sleep(200);
      const ready = await fetch(`http://127.0.0.1:${String(port)}/health/ready`);
      expect(ready.status).toBe(200);
      // A password is hashed in a file of its own.
      const account = { organization_id: username, email: 'a@example.com', password };
      const registered = await fetch(`http://127.0.0.1:${String(port)}/api/auth/register`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(account),
      });
      expect(registered.status).toBe(201);
    } finally {
      server.kill('SIGTERM');
      expect(await ended).toBe(0);
    }
    expect(image.state()).toEqual(before);
  }, 90_000);

  it('has no tool, no test and no development package, and does not run as root', () => {
    const files = readdirSync(image.folder, { recursive: true, encoding: 'utf8' });
    expect(readdirSync(image.folder).sort()).toEqual([
      'dist',
      'migrations',
      'node_modules',
      'package.json',
    ]);
    expect(files.filter((file) => /^dist\/.*\.spec\./.test(file))).toEqual([]);
    const development = ['jest', 'playwright-core', '@nestjs/cli', 'eslint', 'node'];
    const packages = development.map((name) => `node_modules/${name}`);
    expect(packages.filter((folder) => files.includes(folder))).toEqual([]);
    expect(image.last.instructions).toContainEqual({ name: 'USER', rest: '1000:1000' });
    expect(image.last.instructions).toContainEqual({ name: 'STOPSIGNAL', rest: 'SIGTERM' });
    expect(image.last.from).toMatch(/^node:24\.\d+\.\d+-\w+-slim$/);
  });
});
