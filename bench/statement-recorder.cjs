// Loaded into the server by node --require: keeps every statement that the server sends, with its
// values, its outcome and its times. At every SIGUSR2 what was kept is written to the next file
// STATEMENT_RECORD.<n>, from 0 on, and forgotten. It costs time: a server with it is not to be timed.
const { AsyncLocalStorage } = require('node:async_hooks');
const { renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { serialize } = require('node:v8');
const { Client, types } = require('cassandra-driver');

const dist = (path) => require(join(__dirname, '..', 'dist', path));
const { currentRequest } = dist('common/request-context.js');
const { ObjectService } = dist('records/object.service.js');

let kept = [];
let files = 0;
let units = 0;
const unit = new AsyncLocalStorage();

// One request may write many records side by side: their statements are told apart by these.
for (const name of ['create', 'patch']) {
  const original = ObjectService.prototype[name];
  ObjectService.prototype[name] = function (...args) {
    return unit.run(units++, () => original.apply(this, args));
  };
}

/** The classes of the driver do not survive being written; it takes texts as well. */
const plain = (value) =>
  value instanceof types.Uuid || value instanceof types.Long ? value.toString() : value;
const plainParams = (params) =>
  Object.fromEntries(Object.entries(params ?? {}).map(([name, value]) => [name, plain(value)]));

async function keep(entry, work) {
  kept.push(entry);
  try {
    const result = await work();
    entry.applied = result.wasApplied();
    entry.rows = result.rowLength;
    return result;
  } catch (error) {
    entry.failed = String(error);
    throw error;
  } finally {
    entry.end = performance.now();
  }
}

function entryOf(isBatch, statements, options) {
  return {
    start: performance.now(),
    end: null,
    request: currentRequest()?.requestId,
    unit: unit.getStore(),
    isBatch,
    statements,
    options: { ...options },
  };
}

const { execute, batch } = Client.prototype;
Client.prototype.execute = function (query, params, options) {
  const statement = { query, params: Array.isArray(params) ? params : plainParams(params) };
  return keep(entryOf(false, [statement], options), () =>
    execute.call(this, query, params, options),
  );
};
Client.prototype.batch = function (queries, options) {
  const statements = queries.map(({ query, params }) => ({ query, params: plainParams(params) }));
  return keep(entryOf(true, statements, options), () => batch.call(this, queries, options));
};

process.on('SIGUSR2', () => {
  const ended = kept.filter(({ end }) => end !== null);
  kept = kept.filter(({ end }) => end === null);
  const file = `${process.env.STATEMENT_RECORD}.${files++}`;
  writeFileSync(`${file}.part`, serialize(ended));
  renameSync(`${file}.part`, file);
});
