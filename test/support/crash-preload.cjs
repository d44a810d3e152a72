// Loaded into a server under test (node --require): kills it for good before or after the first
// write of a statement, as CRASH_AT=before:users.insert says. The server itself knows nothing of it.
const { CassandraService } = require('../../dist/cassandra/cassandra.service');

const [when, name] = (process.env.CRASH_AT ?? '').split(':');

for (const method of ['lwt', 'scatter']) {
  const original = CassandraService.prototype[method];
  CassandraService.prototype[method] = async function (statements, ...others) {
    const here = statements.some(({ query }) => query.name === name);
    if (here && when === 'before') process.kill(process.pid, 'SIGKILL');
    const result = await original.call(this, statements, ...others);
    if (here && when === 'after') process.kill(process.pid, 'SIGKILL');
    return result;
  };
}
