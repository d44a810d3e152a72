import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { databaseVariables } from '../support/config';
import { runProgram } from '../support/process';
import { startProxy } from '../support/tcp-proxy';

const production = {
  NODE_ENV: 'production',
  CASSANDRA_USERNAME: 'crm',
  CASSANDRA_PASSWORD: 'a-password-of-its-own',
};

/** A start that must fail: at most five lines, what to do in them, no stack, no value of a secret. */
async function failure(environment: Record<string, string>): Promise<string> {
  const server = runProgram(['dist/main.js'], environment);
  expect(await server.ended).toBe(1);
  // Lines of the log (progress) aside: the message is what stands on its own.
  const message = server
    .output()
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('{'));
  expect(message.length).toBeGreaterThan(0);
  expect(message.length).toBeLessThanOrEqual(5);
  expect(server.output()).not.toMatch(/^\s+at /m);
  return message.join('\n');
}

describe('A server whose database comes up late', () => {
  it('waits for it, with growing pauses', async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    const proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    proxy.cut();
    const server = runProgram(['dist/main.js'], {
      PORT: '0',
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
      CASSANDRA_CONNECT_TIMEOUT: '30',
    });
    await server.until(/(does not answer yet[\s\S]*){2}/);
    proxy.restore();
    await server.until(/"msg":"ready: /);
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    await proxy.close();
  });
});

describe('A server that cannot start', () => {
  it('says that the cluster is unreachable', async () => {
    const message = await failure({ CASSANDRA_PORT: '1', CASSANDRA_CONNECT_TIMEOUT: '1' });
    expect(message).toMatch(/No Cassandra answers at .* port 1/);
    expect(message).toContain('CASSANDRA_CONTACT_POINTS');
  });

  it('says that the password is wrong', async () => {
    const message = await failure({ CASSANDRA_PASSWORD: 'wrong-7f3a' });
    expect(message).toMatch(/refused the login of user "cassandra"/);
    expect(message).toContain('CASSANDRA_PASSWORD');
    expect(message).not.toContain('wrong-7f3a');
  });

  it('says that there is no such data centre, and which there are', async () => {
    const message = await failure({ CASSANDRA_DATACENTER: 'elsewhere' });
    expect(message).toMatch(/no data centre "elsewhere" \(it has: datacenter1\)/);
  });

  it('says that the keyspace is missing', async () => {
    const message = await failure({ CASSANDRA_KEYSPACE: 'no_such_keyspace' });
    expect(message).toMatch(/keyspace "no_such_keyspace" does not exist/);
    expect(message).toContain('npm run migrate');
  });

  it('says that the port is taken', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as AddressInfo;
    const message = await failure({ PORT: String(port) });
    expect(message).toContain(`Port ${String(port)} is taken`);
    squatter.close();
  });

  it('refuses weak secrets and default credentials in production, without printing them', async () => {
    const weak = await failure({ ...production, JWT_SECRET: 'change_me_please' });
    expect(weak).toContain('JWT_SECRET');
    expect(weak).not.toContain('change_me_please');
    const defaults = await failure({ NODE_ENV: 'production' });
    expect(defaults).toContain('CASSANDRA_USERNAME and CASSANDRA_PASSWORD');
  });
});
