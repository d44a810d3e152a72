// Loaded into npm run seed by node --require, for benchmarks of large organizations: what is seeded is
// the same, and it takes a fraction of the time. Nobody else writes to the organization, and a seed
// that fails is begun anew, so there is nothing to be conditional on and nothing to be repaired; and rows
// of one partition are sent many at a time.
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { CassandraService } = require(join(__dirname, '../dist/cassandra/cassandra.service.js'));
const { run, lwt, scatter, onApplicationShutdown } = CassandraService.prototype;

/** What there are many of; a pipeline is read as soon as it is written. */
const OBJECTS = new Set(['companies', 'contacts', 'deals', 'activities']);
/** In one batch: as much as Cassandra takes without a warning, and of rows with a copy of the record. */
const ROWS = 30;
const COPIES = 4;
const ATTEMPTS = 10;
const BUFFERED_MAX = 200_000;
/** What the sweeper and the sequencer would be told, and readers who keep sums. */
const LEFT_OUT = /^(write_intents|change_outbox|total_sums)\./;

/** By partition. */
const buffers = new Map();
let buffered = 0;

/** Again where the database is too busy: what is lost here nobody would repair. */
async function batch(service, queries) {
  for (let attempt = 1; ; attempt++) {
    try {
      await service.client.batch(queries, { prepare: true, logged: false, isIdempotent: true });
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(1000 * attempt);
    }
  }
}

async function send(service, statements) {
  buffered -= statements.length;
  await batch(
    service,
    statements.map(({ query, params }) => ({ query: query.cql, params })),
  );
}

async function flush(service) {
  const all = [...buffers.values()];
  buffers.clear();
  for (let at = 0; at < all.length; at += 64) {
    await Promise.all(all.slice(at, at + 64).map((statements) => send(service, statements)));
  }
}

async function buffer(service, statement) {
  const { organization_id, object, list, bucket, shard } = statement.params;
  const key = [statement.query.name, organization_id, object, list, bucket ?? shard].join('\0');
  const statements = buffers.get(key) ?? [];
  statements.push(statement);
  buffered++;
  if (statements.length === 1) buffers.set(key, statements);
  if (statements.length === (statement.query.name === 'list_rows.putCopy' ? COPIES : ROWS)) {
    buffers.delete(key);
    await send(service, statements);
  } else if (buffered > BUFFERED_MAX) {
    await flush(service);
  }
}

CassandraService.prototype.run = function (query, params, options) {
  if (LEFT_OUT.test(query.name)) return Promise.resolve([]);
  if (!OBJECTS.has(params.object)) return run.call(this, query, params, options);
  if (query.name === 'record_ids.add') return buffer(this, { query, params }).then(() => []);
  // Every id is a new one.
  if (query.name === 'records.find') return Promise.resolve([]);
  if (query.name === 'records.findMany') return remembered(this, query, params);
  return run.call(this, query, params, options);
};

/** Records that others refer to: they stay as they are. */
const known = new Map();
async function remembered(service, query, params) {
  const key = [params.object, ...params.ids].join();
  const rows = known.get(key) ?? (await run.call(service, query, params));
  if (known.size > 100_000) known.clear();
  known.set(key, rows);
  return rows;
}

CassandraService.prototype.scatter = async function (statements) {
  const isRow = ({ query, params }) =>
    OBJECTS.has(params.object) && /^(list_rows|total_rows)\.put(Copy)?$/.test(query.name);
  const others = statements.filter((one) => !isRow(one) && !LEFT_OUT.test(one.query.name));
  for (const statement of statements.filter(isRow)) await buffer(this, statement);
  if (others.length > 0) await scatter.call(this, others);
};

CassandraService.prototype.lwt = async function (statements, isMine) {
  const isNew = ({ query, params }) =>
    OBJECTS.has(params.object) && /^(records|unique_values)\./.test(query.name);
  if (!statements.every(isNew)) return lwt.call(this, statements, isMine);
  await batch(
    this,
    statements.map(({ query, params }) => ({ query: query.cql.replace(/ IF .*$/, ''), params })),
  );
  return { applied: true, current: null };
};

CassandraService.prototype.onApplicationShutdown = async function () {
  await flush(this);
  await onApplicationShutdown.call(this);
};
