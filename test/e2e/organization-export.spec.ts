import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import type { Client } from 'cassandra-driver';
import { v7 as timeOrderedId } from 'uuid';
import { connect } from '../../src/cassandra/connect';
import { JobsService } from '../../src/jobs/jobs.service';
import type { Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { filesOf } from '../support/archive';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { Crm, dataOf, idsOf, inParallel, type RecordBody } from '../support/records';

const PATH = '/api/v1/organization/export';
const OBJECTS = ['activities', 'companies', 'contacts', 'deals', 'merges', 'pipelines'];

interface Manifest {
  format_version: number;
  organization_id: string;
  exported_by: string;
  begun_at: string;
  ended_at: string;
  files: { name: string; rows: number; bytes: number; sha256: string }[];
}

describe('The export of an organization', () => {
  let server: TestApp;
  let client: Client;
  let admin: Account;
  let crm: Crm;

  beforeAll(async () => {
    server = await startApp();
    client = await connect(testConfig().cassandra, TEST_KEYSPACE, () => undefined);
  });
  afterAll(async () => {
    await client.shutdown();
    await server.close();
  });
  beforeEach(async () => {
    admin = await server.api.newAdmin();
    crm = new Crm(server.url, admin);
  });

  /** An answer of which nothing is read yet. */
  const open = ({ token }: Pick<Account, 'token'>, headers: Record<string, string> = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: 'POST', headers: { Authorization: `Bearer ${token}`, ...headers } };
      request(`${server.url}${PATH}`, options, resolve).on('error', reject).end();
    });

  async function download(account: Account = admin, headers?: Record<string, string>) {
    const answer = await open(account, headers);
    expect(answer.statusCode).toBe(200);
    const files = await filesOf(await buffer(answer));
    const rows = (name: string) => {
      const lines = files.get(name)?.toString().split('\n').slice(0, -1);
      if (!lines) throw new Error(`There is no ${name}`);
      return lines.map((line) => JSON.parse(line) as RecordBody);
    };
    const manifest = JSON.parse(files.get('manifest.json')?.toString() ?? '') as Manifest;
    return { answer, files, rows, manifest };
  }

  /** Too much to fit on the way to a reader who does not read. */
  async function fill() {
    const body = () => randomBytes(7400).toString('base64');
    await inParallel(4, 2, () =>
      crm.batch(
        'activities',
        'create',
        Array.from({ length: 150 }, () => ({ data: { kind: 'note', subject: 'x', body: body() } })),
      ),
    );
  }

  const exports = async () => (await crm.page('audit', { action: 'organization.exported' })).data;

  async function newOrganization() {
    const member = await server.api.newUser(admin, 'member');
    const leaver = await server.api.newUser(admin, 'viewer');
    await server.api.delete(`/api/v1/users/${leaver.id}`, admin.token);
    const post = async (path: string, body: object) => dataOf(await crm.send('post', path, body));
    const invitation = await post('invitations', { email: `${randomUUID()}@example.com` });
    const key = await post('api-keys', { name: 'Sync', role: 'admin' });
    const hook = await post('webhooks', { url: 'https://hooks.example.com/crm' });
    await post('fields/contacts', { key: 'tier', label: 'Tier', kind: 'text' });
    await post('fields/contacts', { key: 'old', label: 'Old', kind: 'text' });

    const company = await crm.create('companies', { name: 'Acme', domains: ['acme.example'] });
    const live = await crm.create('contacts', {
      last_name: 'Live "x"\u2028ü',
      emails: [{ value: 'live@acme.example' }],
      company_id: company.id,
      custom: { tier: 'gold', old: 'silver' },
    });
    await crm.patch('contacts', live.id, { title: 'CTO' });
    const loser = await crm.create('contacts', { last_name: 'Loser' });
    await crm.merge('contacts', live.id, loser.id);
    const deleted = await crm.create('contacts', { last_name: 'Deleted' });
    await crm.remove('contacts', deleted.id);
    const erased = await crm.create('contacts', { last_name: 'Erasedforgood' });
    await crm.send('post', `contacts/${erased.id}/erase`, { confirm: erased.id });
    const deal = await crm.create('deals', { name: 'Anvils', contact_ids: [live.id] });
    const links = [{ object: 'contacts', id: live.id }];
    const note = await crm.create('activities', { kind: 'note', subject: 'Called', links });
    await crm.send('delete', 'fields/contacts/old');
    const { organizationId, id: userId } = admin;
    await server.app
      .get(JobsService)
      .create(
        { organizationId, userId, role: 'admin' },
        { id: timeOrderedId(), kind: 'of-this-test', input: { secret: 1 }, total: null },
      );
    return { member, invitation, key, hook, company, live, loser, deleted, erased, deal, note };
  }

  it('has all there is, as it is answered elsewhere', async () => {
    const made = await newOrganization();
    const { files, rows } = await download();
    expect([...files.keys()]).toEqual([
      ...['organization.json', 'users.ndjson', 'invitations.ndjson', 'api_keys.ndjson'],
      ...['webhooks.ndjson', 'fields.ndjson'],
      ...OBJECTS.map((object) => `records/${object}.ndjson`),
      ...OBJECTS.map((object) => `history/${object}.ndjson`),
      ...['jobs.ndjson', 'audit.ndjson', 'manifest.json'],
    ]);
    const answered = async (path: string) => (await crm.get(path)).body as { data: RecordBody[] };
    expect(rows('organization.json')).toEqual([(await answered('organization')).data]);
    for (const [file, path] of [
      ['users', 'users'],
      ['invitations', 'invitations'],
      ['api_keys', 'api-keys'],
      ['webhooks', 'webhooks'],
      ['fields', 'fields/contacts?archived=true'],
      ['jobs', 'jobs'],
    ] as const) {
      const { data } = await answered(path);
      expect(data.length).toBeGreaterThan(0);
      expect([file, rows(`${file}.ndjson`)]).toEqual([file, data]);
    }

    const found = OBJECTS.flatMap((object) => rows(`records/${object}.ndjson`));
    const byId = new Map(found.map((record) => [record.id, record]));
    const state = { state: 'live', merged_into: null, merged_ids: [] };
    for (const [object, { id }] of [
      ['companies', made.company],
      ['deals', made.deal],
      ['activities', made.note],
    ] as const) {
      expect(byId.get(id)).toEqual({ ...(await crm.read(object, id)), ...state });
    }
    const live = await crm.read('contacts', made.live.id);
    expect(byId.get(live.id)).toEqual({
      ...live,
      ...state,
      merged_ids: [made.loser.id],
      // Nobody is shown it any more, and it is still there.
      custom: { tier: 'gold', old: 'silver' },
    });
    expect(byId.get(made.loser.id)).toMatchObject({
      ...{ last_name: 'Loser', state: 'merged', merged_into: live.id },
    });
    expect(byId.get(made.deleted.id)).toMatchObject({
      ...{ last_name: 'Deleted', state: 'deleted', deleted_at: expect.any(String) as string },
    });
    expect(byId.get(made.erased.id)).toMatchObject({ state: 'purged', last_name: null });
    expect(rows('records/merges.ndjson')).toMatchObject([
      { object: 'contacts', winner_id: live.id, loser_ids: [made.loser.id] },
    ]);
    // With the pipeline that the deal has made.
    expect(found).toHaveLength(9);

    for (const [object, ids] of [
      ['contacts', [live.id]],
      ['companies', [made.company.id]],
      ['deals', [made.deal.id]],
    ] as const) {
      for (const id of ids) {
        const history = rows(`history/${object}.ndjson`).filter((one) => one.record_id === id);
        const expected = await crm.walk(`${object}/${id}/history`);
        expect(history).toEqual(expected.map((event) => ({ record_id: id, ...event })));
      }
    }
    const kinds = (id: string) =>
      rows('history/contacts.ndjson')
        .filter((one) => one.record_id === id)
        .map(({ kind }) => kind);
    expect(kinds(live.id)).toEqual(['merged', 'updated', 'created']);
    expect(kinds(made.loser.id)).toEqual(['merged_into', 'created']);
    expect(kinds(made.deleted.id)).toEqual(['deleted', 'created']);
    expect(kinds(made.erased.id)).toEqual(['purged']);

    const audited = await crm.walk('audit', { limit: 200 });
    const [own] = await exports();
    expect(rows('audit.ndjson').map((entry) => entry.id)).toEqual(idsOf(audited));
    expect(rows('audit.ndjson').filter(({ id }) => id !== own?.id)).toEqual(
      audited.filter(({ id }) => id !== own?.id),
    );
  });

  it('says last how much of what it has, and what each file hashes to', async () => {
    await newOrganization();
    const before = Date.now();
    const { answer, files, rows, manifest } = await download();
    expect(manifest).toMatchObject({
      format: 'organization-export',
      format_version: 1,
      organization_id: admin.organizationId,
      exported_by: admin.id,
    });
    expect(Date.parse(manifest.begun_at)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(manifest.ended_at)).toBeGreaterThanOrEqual(Date.parse(manifest.begun_at));
    const names = [...files.keys()].filter((name) => name !== 'manifest.json');
    expect(manifest.files.map(({ name }) => name)).toEqual(names);
    for (const file of manifest.files) {
      const content = files.get(file.name) ?? Buffer.alloc(0);
      expect(file).toEqual({
        name: file.name,
        rows: rows(file.name).length,
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
    }
    expect(answer.headers['content-type']).toBe('application/zip');
    expect(answer.headers['content-disposition']).toMatch(
      /^attachment; filename="organization-\d{4}-\d\d-\d\d\.zip"$/,
    );
    expect(answer.headers['content-length']).toBeUndefined();
    const total = manifest.files.reduce((sum, file) => sum + file.rows, 0);
    expect(await exports()).toMatchObject([
      { outcome: 'success', details: { complete: 'true', rows: String(total) } },
    ]);
  });

  it('has no secret, and nothing of anybody else', async () => {
    const { member, key, hook } = await newOrganization();
    const stranger = new Crm(server.url, await server.api.newAdmin());
    const theirs = await stranger.create('contacts', { last_name: 'Theirsalone' });
    const organization = [admin.organizationId];
    const blobs: Buffer[] = [];
    const texts = [admin.password, admin.token, admin.refreshToken, member.password, member.token];
    texts.push(String(key.key), String(hook.secret));
    blobs.push(Buffer.from(String(hook.secret).replace('whsec_', ''), 'base64'));
    blobs.push(Buffer.from(String(key.key).replace('crm_', ''), 'base64url').subarray(16, 48));
    for (const [table, column] of [
      ['users', 'password_hash'],
      ['api_keys', 'secret_hash'],
      ['invitations', 'secret_hash'],
      ['webhooks', 'secret'],
      ['sessions', 'secret_hash'],
    ] as const) {
      // Sessions have a partition for each user.
      const ids = table === 'sessions' ? [admin.id, member.id] : [undefined];
      for (const id of ids) {
        const { rows } = await client.execute(
          `SELECT * FROM ${table} WHERE organization_id = ?${id ? ' AND user_id = ?' : ''}`,
          id ? [...organization, id] : organization,
          { prepare: true },
        );
        expect([table, rows.length > 0]).toEqual([table, true]);
        for (const row of rows) {
          const values = row.values() as unknown[];
          blobs.push(...values.filter((value) => Buffer.isBuffer(value)));
          const text = row.keys().includes(column) ? (row.get(column) as unknown) : undefined;
          if (typeof text === 'string') texts.push(text);
        }
      }
    }
    // Hashes of two users at least, and keys, invitations and webhooks.
    expect(texts.filter((text) => text.startsWith('$2')).length).toBeGreaterThanOrEqual(3);
    expect(blobs.length).toBeGreaterThanOrEqual(6);
    for (const blob of blobs) {
      expect(blob.length).toBeGreaterThan(15);
      texts.push(blob.toString('hex'), blob.toString('base64'), blob.toString('base64url'));
      texts.push(JSON.stringify(blob).slice(1, -1));
    }
    texts.push(theirs.id, 'Theirsalone', stranger.account.organizationId, stranger.account.id);
    texts.push('Erasedforgood');

    const { files } = await download();
    for (const [name, content] of files) {
      const text = content.toString();
      const leaks = texts.filter((secret) => text.includes(secret));
      expect([name, leaks]).toEqual([name, []]);
      const field = /"[a-z_]*(hash|secret|password)[a-z_]*":/.exec(text)?.[0];
      expect([name, field]).toEqual([name, undefined]);
    }
  });

  it('is for admins, and never for a key', async () => {
    const status = async (token?: string) => (await server.api.post(PATH, undefined, token)).status;
    expect(await status()).toBe(401);
    for (const role of ['manager', 'member', 'viewer']) {
      const { token } = await server.api.newUser(admin, role);
      expect([role, await status(token)]).toEqual([role, 403]);
    }
    const key = dataOf(await crm.send('post', 'api-keys', { name: 'x', role: 'admin' }));
    expect(await status(String(key.key))).toBe(403);
    expect(await exports()).toEqual([]);
  });

  it('has many pages of records, and all versions of one that has many', async () => {
    const batches = await inParallel(4, 2, (batch) =>
      crm.batch(
        'contacts',
        'create',
        Array.from({ length: 180 }, (_, index) => ({
          data: { last_name: `n${String(batch)}-${String(index)}` },
        })),
      ),
    );
    const ids = batches.flat().map(({ data }) => data?.id ?? '');
    const [first = '', second = ''] = ids;
    for (let version = 2; version <= 140; version++) {
      await crm.patch('contacts', first, { title: `t${String(version)}` });
    }
    // Just as many as are read at once.
    for (let version = 2; version <= 20; version++) {
      await crm.patch('contacts', second, { title: `t${String(version)}` });
    }
    const { rows } = await download();
    const records = rows('records/contacts.ndjson');
    expect(records).toHaveLength(720);
    expect(new Set(idsOf(records))).toEqual(new Set(ids));
    const history = rows('history/contacts.ndjson');
    expect(history).toHaveLength(718 + 140 + 20);
    const versions = (id: string) =>
      history.filter((one) => one.record_id === id).map(({ version }) => version);
    expect(versions(first)).toEqual(Array.from({ length: 140 }, (_, index) => 140 - index));
    expect(versions(second)).toEqual(Array.from({ length: 20 }, (_, index) => 20 - index));
  });

  it('holds together while everybody writes', async () => {
    const items = Array.from({ length: 150 }, () => ({ data: { last_name: 'Before' } }));
    const before = (await crm.batch('contacts', 'create', items)).map(({ data }) => data?.id ?? '');
    let writing = true;
    const write = async (writer: number) => {
      for (let count = writer; writing; count += 3) {
        // As people do: the export has to get a word in.
        await sleep(20);
        const id = before[count % before.length] ?? '';
        await crm.patch('contacts', id, { title: `t${String(count)}` });
        if (count % 4 === 0) await crm.create('contacts', { last_name: 'Meanwhile' });
      }
    };
    const writers = [0, 1, 2].map(write);
    await sleep(200);
    const downloads = [await download(), await download()];
    writing = false;
    await Promise.all(writers);
    for (const { rows } of downloads) {
      const records = rows('records/contacts.ndjson');
      expect(new Set(idsOf(records)).size).toBe(records.length);
      expect(idsOf(records)).toEqual(expect.arrayContaining(before));
      expect(records.length).toBeGreaterThan(before.length);
      const history = Map.groupBy(rows('history/contacts.ndjson'), (one) => one.record_id);
      for (const { id, version } of records) {
        const [latest = 0, ...earlier] = (history.get(id) ?? []).map((event) => event.version);
        expect(latest).toBeGreaterThanOrEqual(version);
        expect(earlier).toEqual(Array.from({ length: latest - 1 }, (_, at) => latest - 1 - at));
      }
    }
  }, 120_000);

  it('is made anew for each request, whatever its Idempotency-Key', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const one = await download(admin, headers);
    await crm.create('contacts', { last_name: 'Later' });
    const other = await download(admin, headers);
    expect(one.rows('records/contacts.ndjson')).toHaveLength(0);
    expect(other.rows('records/contacts.ndjson')).toHaveLength(1);
    expect(other.answer.headers['idempotency-replayed']).toBeUndefined();
  });

  it('has its place again when its reader goes', async () => {
    await fill();
    const readers = await Promise.all([1, 2, 3, 4].map(() => open(admin)));
    expect(readers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
    const refused = await open(admin);
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '10']);
    refused.destroy();
    for (const reader of readers) reader.destroy();
    for (let attempt = 0; (await exports()).length > 0 && attempt < 100; attempt++) {
      const open = (await exports()).filter(({ outcome }) => outcome === 'unknown');
      if (open.length === 0) break;
      await sleep(100);
    }
    const left = (await exports()).filter(({ outcome }) => outcome === 'success');
    expect(left).toHaveLength(4);
    expect(left[0]).toMatchObject({ details: { complete: 'false' } });
    expect((await download()).manifest.files).not.toHaveLength(0);
  }, 120_000);

  it.each([
    ['the organization is erased', 202],
    ['its reader is no admin any more', 200],
  ] as const)(
    'breaks off where %s meanwhile',
    async (_what, status) => {
      await fill();
      const other = await server.api.newUser(admin, 'admin');
      const answer = await open(other);
      expect(answer.statusCode).toBe(200);
      const parts: Buffer[] = [];
      const chunks = answer[Symbol.asyncIterator]();
      const sizeOf = () => parts.reduce((sum, { length }) => sum + length, 0);
      // Beyond the first files, and far from the last one.
      const read = async (bytes: number) => {
        while (sizeOf() < bytes) {
          const part = await chunks.next();
          if (part.done) throw new Error('That was all');
          parts.push(part.value as Buffer);
        }
      };
      await read(300_000);
      const done =
        status === 202
          ? await crm.send('delete', 'organization', { confirm: admin.organizationId })
          : await crm.send('patch', `users/${other.id}`, { role: 'manager' });
      expect(done.status).toBe(status);
      await expect(read(Infinity)).rejects.toMatchObject({ code: 'ECONNRESET' });
      const received = Buffer.concat(parts);
      await expect(filesOf(received)).rejects.toThrow();
      if (status === 200) expect(await exports()).toMatchObject([{ outcome: 'refused' }]);
    },
    120_000,
  );
});
