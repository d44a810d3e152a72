// Loaded into npm run seed by node --require, for benchmarks of large organizations: what is seeded is
// the same, and it takes a fraction of the time. Nobody else writes to the organization, and a seed
// that fails is begun anew, so there is nothing to be conditional on and nothing to be repaired; and rows
// of one partition are sent many at a time.
const { join } = require('node:path');

const { CassandraService } = require(join(__dirname, '../dist/cassandra/cassandra.service.js'));
const { run, lwt, scatter, onApplicationShutdown } = CassandraService.prototype;

/** In one batch: as much as Cassandra takes without a warning. */
const ROWS = 30;
const BUFFERED_MAX = 200_000;
/** What the sweeper and the sequencer would be told, and readers who keep sums. */
const LEFT_OUT = /^(write_intents|change_outbox|total_sums)\./;

/** By partition. */
const buffers = new Map();
let buffered = 0;

async function send(service, statements) {
  buffered -= statements.length;
  const queries = statements.map(({ query, params }) => ({ query: query.cql, params }));
  await service.client.batch(queries, { prepare: true, logged: false, isIdempotent: true });
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
  if (statements.length === ROWS) {
    buffers.delete(key);
    await send(service, statements);
  } else if (buffered > BUFFERED_MAX) {
    await flush(service);
  }
}

CassandraService.prototype.run = function (query, params, options) {
  if (LEFT_OUT.test(query.name)) return Promise.resolve([]);
  if (query.name === 'record_ids.add') return buffer(this, { query, params }).then(() => []);
  // Nothing is under way that only Paxos would know of.
  return run.call(this, query, params, { ...options, serial: false });
};

CassandraService.prototype.scatter = async function (statements) {
  if (
    !statements.every(({ query }) =>
      /^(list_rows|total_rows|total_sums)\.(put|mark)$/.test(query.name),
    )
  )
    return scatter.call(this, statements);
  for (const statement of statements)
    if (!LEFT_OUT.test(statement.query.name)) await buffer(this, statement);
};

CassandraService.prototype.lwt = async function (statements, isMine) {
  if (!statements.every(({ query }) => /^(records|unique_values)\./.test(query.name)))
    return lwt.call(this, statements, isMine);
  const queries = statements.map(({ query, params }) => ({
    query: query.cql.replace(/ IF .*$/, ''),
    params,
  }));
  await this.client.batch(queries, { prepare: true, logged: false, isIdempotent: true });
  return { applied: true, current: null };
};

CassandraService.prototype.onApplicationShutdown = async function () {
  await flush(this);
  await onApplicationShutdown.call(this);
};
