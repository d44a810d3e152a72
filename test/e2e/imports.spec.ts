import { connect as openSocket } from 'node:net';
import type { Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Importer, importOf } from '../support/imports';
import { Crm, faultsOf } from '../support/records';

const LIMIT = 300_000;

interface Contact {
  id: string;
  version: number;
  first_name: string | null;
  last_name: string | null;
  emails: { value: string }[];
}

describe('Imports', () => {
  let server: TestApp;
  let admin: Account;
  let importer: Importer;
  let crm: Crm;

  beforeAll(async () => {
    server = await startApp({ WORKERS: 'on', IMPORT_MAX_BYTES: String(LIMIT) });
  });
  beforeEach(async () => {
    admin = await server.api.newAdmin();
    importer = new Importer(server.url, admin);
    crm = new Crm(server.url, admin);
  });
  afterAll(() => server.close());

  const contacts = async () => (await crm.walk('contacts')) as unknown as Contact[];
  const names = async () => (await contacts()).map((one) => one.last_name).sort();

  const TABLE = 'First name,Surname,E-mail\r\nJörg,Müller,joerg@example.com\r\n';
  const utf16 = (text: string, isBig: boolean) => {
    const bytes = Buffer.from(text, 'utf16le');
    return isBig ? bytes.swap16() : bytes;
  };
  it.each([
    ['UTF-8', Buffer.from(TABLE), 'utf-8'],
    ['UTF-8 with a BOM', Buffer.from(`\ufeff${TABLE}`), 'utf-8'],
    ['UTF-16 LE with a BOM', utf16(`\ufeff${TABLE}`, false), 'utf-16le'],
    ['UTF-16 BE with a BOM', utf16(`\ufeff${TABLE}`, true), 'utf-16be'],
    ['UTF-16 LE', utf16(TABLE, false), 'utf-16le'],
    ['UTF-16 BE', utf16(TABLE, true), 'utf-16be'],
    ['Windows-1252', Buffer.from(TABLE, 'latin1'), 'windows-1252'],
  ])('read %s', async (_name, file, encoding) => {
    const begun = await importer.begin({ object: 'contacts' }, file);
    expect(begun).toMatchObject({
      encoding,
      delimiter: ',',
      mapping: { 'First name': 'first_name', Surname: 'last_name', 'E-mail': 'email' },
      sample: [{ line: 2, data: { first_name: 'Jörg', last_name: 'Müller' } }],
    });
    const ended = await importer.ended(begun.id);
    expect(ended).toMatchObject({ status: 'succeeded', progress: { done: 1, total: 1 } });
    expect(ended.progress.counts).toEqual({ created: 1 });
    expect(await contacts()).toMatchObject([{ first_name: 'Jörg', last_name: 'Müller' }]);
  });

  it.each([
    [',', 'last_name,title\n"a, ""b""",x\n'],
    [';', 'last_name;title\n"a, ""b""";x\n'],
    ['\t', 'last_name\ttitle\n"a, ""b"""\tx\n'],
    ['|', 'last_name|title\n"a, ""b"""|x\n'],
  ])('read cells between %j', async (delimiter, file) => {
    const begun = await importer.begin({ object: 'contacts' }, file);
    expect(begun.delimiter).toBe(delimiter);
    await importer.ended(begun.id);
    expect(await contacts()).toMatchObject([{ last_name: 'a, "b"', title: 'x' }]);
  });

  it('write nothing in a dry run, and count what they would', async () => {
    await crm.create('contacts', { last_name: 'There', emails: [{ value: 'there@example.com' }] });
    const file =
      'Surname,E-mail,Shoe\nNew,new@example.com,42\nOld,there@example.com,\nBad,nonsense,\n';
    const fields = { object: 'contacts', mode: 'upsert', match_by: 'email', dry_run: 'true' };
    const begun = await importer.begin(fields, file);
    expect(begun.unmapped_columns).toEqual(['Shoe']);
    const { progress, status } = await importer.ended(begun.id);
    expect([status, progress.counts]).toEqual(['succeeded', { created: 1, updated: 1, failed: 1 }]);
    expect(await names()).toEqual(['There']);
    const [head, bad, ...others] = await importer.errors(begun.id);
    expect(head).toBe('line,error,Surname,E-mail,Shoe');
    expect(bad).toMatch(/^4,.*emails\[0\].value.*,Bad,nonsense,$/);
    expect(others).toEqual([]);
  });

  it('create, update and upsert by a unique field, an external id and an id', async () => {
    const first = 'last_name,emails,external:erp\nOne,one@example.com,1\nTwo,two@example.com,2\n';
    await importer.run({ object: 'contacts' }, first);
    const update = 'emails,last_name\nONE@example.com,Uno\nnobody@example.com,Nobody\n';
    const updated = await importer.run(
      { object: 'contacts', mode: 'update', match_by: 'email' },
      update,
    );
    expect(updated.progress.counts).toEqual({ updated: 1, failed: 1 });
    const upsert = 'external_ids.erp,last_name\n2,Dos\n3,Tres\n2,Zwei\n';
    const upserted = await importer.run(
      { object: 'contacts', mode: 'upsert', match_by: 'external:erp' },
      upsert,
    );
    expect(upserted.progress.counts).toEqual({ updated: 2, created: 1 });
    expect(await names()).toEqual(['Tres', 'Uno', 'Zwei']);
    const [someone] = await contacts();
    const byId = await importer.run(
      { object: 'contacts', mode: 'update' },
      `id,title\n${someone?.id ?? ''},CEO\n${someone?.id ?? ''},CEO\n`,
    );
    expect(byId.progress.counts).toEqual({ updated: 1, unchanged: 1 });
  });

  it('take an id that the file has chosen, owners by email, and nested and custom columns', async () => {
    const user = await server.api.newUser(admin, 'member');
    const field = { key: 'tier', label: 'Customer tier', kind: 'text' };
    await server.api.post('/api/v1/fields/contacts', field, admin.token);
    const id = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c99';
    const file = `id,last_name,owner,City,Customer tier,tags\n${id},X,${user.email},Berlin,gold,a;b\n`;
    const { progress } = await importer.run({ object: 'contacts' }, file);
    expect(progress.counts).toEqual({ created: 1 });
    expect(await crm.read('contacts', id)).toMatchObject({
      owner_id: user.id,
      address: { city: 'Berlin' },
      custom: { tier: 'gold' },
      tags: ['a', 'b'],
    });
  });

  it.each([
    ['error', { failed: 1 }, 'Old'],
    ['skip', { skipped: 1 }, 'Old'],
    ['update', { updated: 1 }, 'New'],
  ])('meet duplicates by the policy %s', async (duplicates, counts, name) => {
    await crm.create('contacts', { last_name: 'Old', emails: [{ value: 'x@example.com' }] });
    const file = 'last_name,emails\nNew,x@example.com\n';
    const { progress } = await importer.run({ object: 'contacts', duplicates }, file);
    expect(progress.counts).toEqual(counts);
    expect(await names()).toEqual([name]);
  });

  it('report each row that is not done, and restore and defuse formulas', async () => {
    const file = [
      'last_name,emails,title',
      "Fine,a@example.com,'=1+1",
      '=cmd|calc,nonsense,x',
      'short',
      "'quoted,b@example.com,y",
      '',
    ].join('\r\n');
    const { id, progress, status } = await importer.run({ object: 'contacts' }, file);
    expect([status, progress.counts]).toEqual(['succeeded', { created: 2, failed: 2 }]);
    expect((await contacts()).map((one) => one.last_name).sort()).toEqual(["'quoted", 'Fine']);
    const fine = (await contacts()).find((one) => one.last_name === 'Fine');
    expect(fine).toMatchObject({ title: '=1+1' });
    const [, first, second] = await importer.errors(id);
    expect(first).toMatch(/^3,.*,'=cmd\|calc,nonsense,x$/);
    expect(second).toMatch(/^4,.*1 cells, the header 3",short$/);
  });

  it('fail with the line where a file is no CSV, and keep what stands before it', async () => {
    const good = Array.from({ length: 10 }, (_, index) => `N${String(index)},x`).join('\n');
    const { status, error, progress } = await importer.run(
      { object: 'contacts' },
      `last_name,title\n${good}\n"Bad"y,x\n`,
    );
    expect([status, progress.counts]).toEqual(['failed', { created: 10 }]);
    expect(error).toMatchObject({ code: 'UNPROCESSABLE', details: { line: 12 } });
  });

  it('can be cancelled, and taken back but for what was changed since', async () => {
    await crm.create('contacts', { last_name: 'Old', emails: [{ value: 'old@example.com' }] });
    const rows = Array.from(
      { length: 250 },
      (_, index) => `N${String(index)},n${String(index)}@example.com`,
    );
    const file = `last_name,emails\nChanged,old@example.com\nAgain,old@example.com\n${rows.join('\n')}\n`;
    const { id, progress } = await importer.run(
      { object: 'contacts', mode: 'upsert', match_by: 'email' },
      file,
    );
    expect(progress.counts).toEqual({ updated: 2, created: 250 });
    const kept = (await contacts()).find((one) => one.last_name === 'N7');
    await crm.patch('contacts', kept?.id ?? '', { title: 'mine now' });
    const response = await importer.post(`/api/v1/imports/${id}/revert`);
    expect(response.status).toBe(202);
    const reverted = await importer.ended(importOf(response).id);
    expect(reverted.progress.counts).toEqual({ deleted: 249, restored: 2, kept: 1 });
    expect(await names()).toEqual(['N7', 'Old']);
    expect((await importer.errors(reverted.id))[1]).toContain(kept?.id);
    const begun = await importer.begin(
      { object: 'contacts' },
      `last_name\n${'x\n'.repeat(20_000)}`,
    );
    const cancelled = await importer.post(`/api/v1/imports/${begun.id}/cancel`);
    expect(cancelled.status).toBe(202);
    expect((await importer.ended(begun.id)).status).toBe('cancelled');
  });

  it('keep to what the caller may do', async () => {
    const viewer = new Importer(server.url, await server.api.newUser(admin, 'viewer'));
    const refused = await viewer.send({ object: 'contacts' }, 'last_name\nX\n');
    expectError(refused.body, 'FORBIDDEN');
    await crm.create('contacts', { last_name: 'Mine', emails: [{ value: 'mine@example.com' }] });
    const member = new Importer(server.url, await server.api.newUser(admin, 'member'));
    const { progress, id } = await member.run(
      { object: 'contacts', mode: 'upsert', match_by: 'email' },
      'last_name,emails\nTheirs,mine@example.com\nNew,new@example.com\n',
    );
    expect(progress.counts).toEqual({ failed: 1, created: 1 });
    expect((await member.errors(id))[1]).toContain('FORBIDDEN');
  });

  it('refuse what cannot be imported, precisely', async () => {
    const faults = async (fields: Record<string, string>, file?: string) =>
      faultsOf(await importer.send(fields, file));
    expect(await faults({}, 'last_name\nX\n')).toEqual(['object isDefined']);
    expect(await faults({ object: 'contacts', colour: 'red' }, 'last_name\nX\n')).toEqual([
      'colour unknownField',
    ]);
    const wrong = {
      object: 'contacts',
      mode: 'x',
      duplicates: 'x',
      dry_run: 'x',
      clear_empty: 'x',
    };
    expect(await faults(wrong, 'last_name\nX\n')).toEqual([
      'mode isIn',
      'duplicates isIn',
      'dry_run isIn',
      'clear_empty isIn',
    ]);
    expect(await faults({ object: 'contacts' })).toEqual(['file isFile']);
    expect(await faults({ object: 'contacts' }, '')).toEqual(['file notEmpty']);
    expect(await faults({ object: 'contacts' }, '1,2\n3,4\n')).toEqual(['file header']);
    expect(await faults({ object: 'contacts', mapping: '{"x":"y"}' }, 'last_name\nX\n')).toEqual([
      'mapping.x isColumn',
      'mapping.x isField',
    ]);
    const upsert = { object: 'contacts', mode: 'upsert', match_by: 'title' };
    expect(await faults(upsert, 'title\nX\n')).toEqual(['match_by isUnique']);
    expect(await faults({ ...upsert, match_by: 'email' }, 'title\nX\n')).toEqual([
      'match_by isMapped',
    ]);
    const large = await importer.send({ object: 'contacts' }, `last_name\n${'x\n'.repeat(LIMIT)}`);
    expectError(large.body, 'PAYLOAD_TOO_LARGE');
    const json = await server.api.post('/api/v1/imports', { object: 'contacts' }, admin.token);
    expectError(json.body, 'UNSUPPORTED_MEDIA_TYPE');
    expect(await crm.walk('jobs')).toEqual([]);
  });

  /** A form as text, for what no client sends. */
  const form = (parts: string[]) => parts.map((part) => `--cut\r\n${part}\r\n`).join('');
  const FIELD = 'Content-Disposition: form-data; name="object"\r\n\r\ncontacts';
  const FILE =
    'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nlast_name\r\nX';

  it('refuse fields behind the file, and a body that is cut off', async () => {
    const late = await fetch(`${server.url}/api/v1/imports`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${admin.token}`,
        'content-type': 'multipart/form-data; boundary=cut',
      },
      body: `${form([FIELD, FILE, FIELD.replace('object', 'mode')])}--cut--\r\n`,
    });
    expect(await late.json()).toMatchObject({ details: [{ field: 'mode', rule: 'beforeFile' }] });
    await new Promise<void>((resolve) => {
      const socket = openSocket(server.port, '127.0.0.1', () => {
        socket.write(
          [
            'POST /api/v1/imports HTTP/1.1',
            'Host: localhost',
            `Authorization: Bearer ${admin.token}`,
            'Content-Type: multipart/form-data; boundary=cut',
            'Content-Length: 100000',
            '',
            form([FIELD, FILE]),
          ].join('\r\n'),
        );
        setTimeout(() => socket.destroy(), 500);
      });
      socket.once('close', () => {
        resolve();
      });
    });
    expect(await crm.walk('jobs')).toEqual([]);
  });

  it('are one import under one Idempotency-Key, and refuse another file under it', async () => {
    const headers = { 'Idempotency-Key': 'a-key' };
    const file = 'last_name\nX\n';
    const first = await importer.send({ object: 'contacts' }, file, headers);
    const again = await importer.send({ object: 'contacts' }, file, headers);
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(importOf(again).id).toBe(importOf(first).id);
    expect(again.headers['idempotency-replayed']).toBe('true');
    const other = await importer.send({ object: 'contacts' }, 'last_name\nY\n', headers);
    expectError(other.body, 'IDEMPOTENCY_KEY_REUSED');
    await importer.ended(importOf(first).id);
    expect(await names()).toEqual(['X']);
  });
});
