import { join } from 'node:path';
import { Api, newOrganizationId } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { runProgram, startServer } from '../support/process';

const PRELOAD = join(__dirname, '..', 'support', 'crash-preload.cjs');
const CONTACTS = 60;

// Each command is a process of its own, and some take several.
jest.setTimeout(180_000);

interface Listed {
  data: { id: string; first_name: string; last_name: string; version: number }[];
}

/** Runs a command to its end. */
async function run(args: string[], environment: Record<string, string> = {}) {
  const program = runProgram(args, environment);
  return { code: await program.ended, output: program.output() };
}

const command = (name: string, ...args: string[]) => run([`dist/cli/${name}.js`, ...args]);

describe('The commands that work on the records of an organization', () => {
  let server: TestApp;
  let organization: string;
  let token: string;
  const ofIt = (name: string, ...args: string[]) =>
    command(name, '--organization', organization, ...args);

  async function seed(id: string, number: number): Promise<string> {
    const args = ['--contacts', String(CONTACTS), '--organization', id, '--seed', String(number)];
    const { code, output } = await run(['tools/seed.mts', ...args]);
    expect({ code, output }).toMatchObject({ code: 0 });
    const [, email] = /^email\s+(\S+)$/m.exec(output) ?? [];
    const [, password] = /^password\s+(\S+)$/m.exec(output) ?? [];
    const login = await server.api.login({ organization_id: id, email, password });
    expect(login.status).toBe(200);
    return (login.body as { data: { access_token: string } }).data.access_token;
  }

  async function listed(caller: string, query = ''): Promise<Listed['data']> {
    const response = await server.api.get(`/api/v1/contacts?limit=100${query}`, caller);
    expect(response.status).toBe(200);
    return (response.body as Listed).data;
  }

  beforeAll(async () => {
    server = await startApp();
    organization = newOrganizationId();
    token = await seed(organization, 7);
  });
  afterAll(() => server.close());

  it('seed: the same number gives the same people', async () => {
    const people = async (caller: string) => {
      const contacts = await listed(caller, '&sort=name');
      return contacts.map((one) => `${one.id} ${one.first_name} ${one.last_name}`);
    };
    const first = await people(token);
    expect(new Set(first).size).toBe(CONTACTS);
    expect(await people(await seed(newOrganizationId(), 7))).toEqual(first);
    expect(await people(await seed(newOrganizationId(), 8))).not.toEqual(first);
  });

  it('seed: does not touch an organization that is there', async () => {
    const args = ['--contacts', '1', '--organization', organization];
    const { code, output } = await run(['tools/seed.mts', ...args]);
    expect(code).toBe(1);
    expect(output).toContain(`There is an organization "${organization}" already.`);
    expect(output).not.toMatch(/^\s+at /m);
  });

  it('verify: says how much it has looked at', async () => {
    const { code, output } = await ofIt('verify');
    const [, records, rows] =
      /^(\d+) records, (\d+) rows in \d+ partitions, \d+ rows in the largest$/m.exec(output) ?? [];
    expect(Number(records)).toBeGreaterThanOrEqual(CONTACTS + CONTACTS / 20);
    expect(Number(rows)).toBeGreaterThan(10 * CONTACTS);
    expect(output).toContain('No faults.');
    expect(code).toBe(0);
  });

  it('verify and repair: find and mend what a process left that died after its commit', async () => {
    const [contact] = await listed(token);
    if (!contact) throw new Error('There is no contact');
    const dying = await startServer({
      NODE_OPTIONS: `--require=${PRELOAD}`,
      CRASH_AT: 'after:records.commit',
    });
    const path = `/api/v1/contacts/${contact.id}`;
    const patch = new Api(dying.url).patch(path, { last_name: 'Zyx-Unheard' }, token);
    await expect(patch).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect(await dying.ended).toBe('SIGKILL');

    // The list has no copy of the version before it any more.
    const shown = (await listed(token)).find(({ id }) => id === contact.id);
    expect(shown?.last_name).toBe('Zyx-Unheard');

    const before = await ofIt('verify');
    expect(before.code).toBe(1);
    expect(before.output).toMatch(new RegExp(`missing +contacts ${contact.id} term:zy\\|all`));
    expect(before.output).toMatch(new RegExp(`stray +contacts ${contact.id} name\\|all`));
    expect(before.output).toMatch(new RegExp(`outdated +contacts ${contact.id} created\\|all`));
    expect(await listed(token, '&q=zyx')).toEqual([]);

    const repaired = await ofIt('repair');
    expect(repaired.output).toMatch(/^Repaired what follows from \d+ records/m);
    expect(repaired.code).toBe(0);
    const after = await ofIt('verify');
    expect(after.output).toContain('No faults.');
    expect(after.code).toBe(0);
    expect((await listed(token, '&q=zyx')).map(({ id }) => id)).toEqual([contact.id]);
  });

  it('rebucket: spreads the records over more buckets while they are written', async () => {
    const growing = ofIt('rebucket', '--object', 'contacts', '--buckets', '4');
    const done = growing.then(() => true);
    let writes = 0;
    const soon = () => new Promise<false>((resolve) => setTimeout(resolve, 100, false));
    while (!(await Promise.race([done, soon()]))) {
      const name = `Written ${String(writes++)}`;
      const created = await server.api.post('/api/v1/contacts', { last_name: name }, token);
      expect(created.status).toBe(201);
      const { id } = (created.body as { data: { id: string } }).data;
      const path = `/api/v1/contacts/${id}`;
      if (writes % 3 === 0) expect((await server.api.delete(path, token)).status).toBe(204);
      if (writes % 3 === 1) {
        expect((await server.api.patch(path, { last_name: `${name} b` }, token)).status).toBe(200);
      }
    }
    const { code, output } = await growing;
    expect(output).toMatch(/contacts: \d+ records from 2 to 4 buckets/);
    expect(code).toBe(0);
    expect(writes).toBeGreaterThan(10);

    const verified = await ofIt('verify');
    expect(verified.output).toContain('No faults.');
    expect(verified.code).toBe(0);
    expect(await listed(token, '&q=written')).toHaveLength(writes - Math.floor(writes / 3));

    const again = await ofIt('rebucket', '--object', 'contacts', '--buckets', '4');
    expect(again.output).toMatch(/contacts: \d+ records in 4 buckets, nothing to do/);
    expect(again.code).toBe(0);
  });

  it('rebucket: leaves alone what has not outgrown its buckets', async () => {
    const { code, output } = await ofIt('rebucket');
    expect(output).toMatch(/companies: 3 records in 2 buckets, nothing to do/);
    expect(output).not.toMatch(/ to \d+ buckets/);
    expect(code).toBe(0);
  });

  it.each([
    ['repair', []],
    ['verify', ['--organization', '']],
    ['rebucket', ['--organization', 'x', '--other']],
    ['rebucket', ['--organization', 'x', '--object', 'people']],
    ['rebucket', ['--organization', 'x', '--buckets', '257']],
  ])('%s: tells of its options when it gets %j', async (name, args) => {
    const { code, output } = await command(name, ...args);
    expect(output).toContain(`npm run ${name} -- --organization ID`);
    expect(code).toBe(2);
  });

  it('says what is wrong, without a stack', async () => {
    const unknown = await command('repair', '--organization', 'org_nobody_knows');
    expect(unknown.output).toContain('There is no organization "org_nobody_knows".');
    const away = await run(['dist/cli/verify.js', '--organization', organization], {
      CASSANDRA_PORT: '1',
      CASSANDRA_CONNECT_TIMEOUT: '1',
    });
    expect(away.output).toContain('No Cassandra answers');
    for (const { code, output } of [unknown, away]) {
      expect(code).toBe(1);
      expect(output).not.toMatch(/^\s+at /m);
    }
  });
});
