// Loaded into a server under test (node --require): kills it for good before or after a
// conditional write, as CRASH_AT=before:users.insert says. The server itself knows nothing of it.
const { CassandraService } = require('../../dist/cassandra/cassandra.service');

const [when, name] = (process.env.CRASH_AT ?? '').split(':');
const { lwt } = CassandraService.prototype;

CassandraService.prototype.lwt = async function (statements, isMine) {
  const here = statements.some(({ query }) => query.name === name);
  if (here && when === 'before') process.kill(process.pid, 'SIGKILL');
  const result = await lwt.call(this, statements, isMine);
  if (here && when === 'after') process.kill(process.pid, 'SIGKILL');
  return result;
};
