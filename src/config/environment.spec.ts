import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { configWarnings, toAppConfig } from './app-config';
import { Environment } from './environment';
import { ConfigError, readEnvironment } from './read-environment';

const production = {
  NODE_ENV: 'production',
  CASSANDRA_CONTACT_POINTS: 'db1,db2',
  CASSANDRA_USERNAME: 'crm',
  CASSANDRA_PASSWORD: 'a-password-of-its-own',
  SMTP_URL: 'smtp://mail.example.com',
  JWT_SECRET: 'M2E0ZjVhNmI3YzhkOWUwZjFhMmIzYzRkNWU2Zjd',
};

function faultsOf(source: Record<string, string>): string {
  try {
    readEnvironment(source);
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
}

describe('The environment', () => {
  it('needs nothing on a laptop, and warns of the placeholder secret', () => {
    const config = toAppConfig(readEnvironment({}));
    expect(config).toMatchObject({
      production: false,
      http: { port: 4000, docs: true },
      cassandra: { contactPoints: ['127.0.0.1'], keyspace: 'crm', migrateOnStart: true },
      auth: { accessTokenSeconds: 86_400, registrationOpen: true },
    });
    expect(configWarnings(config).join()).toContain('JWT_SECRET');
  });

  it('is all in .env.example, with the defaults it has', () => {
    const file = readFileSync(join(__dirname, '..', '..', '.env.example'), 'utf8');
    const example = parseEnv(file) as Record<string, string>;
    const known = [
      ...Object.keys(new Environment()),
      'CASSANDRA_CONTACT_POINTS',
      'CASSANDRA_TLS_CA',
      'CORS_ORIGINS',
      'JWT_KEYS',
      'SMTP_URL',
      'METRICS_PORT',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
    ];
    expect(Object.keys(example).sort()).toEqual([...new Set(known)].sort());
    expect(toAppConfig(readEnvironment(example))).toEqual(toAppConfig(readEnvironment({})));
  });

  it('lists every fault at once, by name and never by value', () => {
    const message = faultsOf({
      PORT: '70000',
      NODE_ENV: 'staging',
      JWT_EXPIRES_IN: 'soon7f3a',
      LOG_LEVEL: 'loud',
      BCRYPT_COST: '3',
      CASSANDRA_KEYSPACE: 'Bad-Name',
    });
    for (const name of [
      'PORT',
      'NODE_ENV',
      'JWT_EXPIRES_IN',
      'LOG_LEVEL',
      'BCRYPT_COST',
      'CASSANDRA_KEYSPACE',
    ]) {
      expect(message).toContain(name);
    }
    expect(message).not.toContain('soon7f3a');
  });

  it.each([
    ['the placeholder secret', { JWT_SECRET: 'change_me_please' }, 'JWT_SECRET'],
    ['no secret', { JWT_SECRET: '' }, 'JWT_SECRET'],
    ['31 bytes', { JWT_SECRET: production.JWT_SECRET.slice(0, 31) }, 'JWT_SECRET'],
    ['a typed secret', { JWT_SECRET: 'abcabcabc'.repeat(6) }, 'JWT_SECRET'],
    ['the default user', { CASSANDRA_USERNAME: 'cassandra' }, 'CASSANDRA_USERNAME'],
    ['the default password', { CASSANDRA_PASSWORD: '' }, 'CASSANDRA_PASSWORD'],
    ['a weak one of several keys', { JWT_KEYS: `a:${production.JWT_SECRET},b:short` }, 'JWT_KEYS'],
    ['no contact points', { CASSANDRA_CONTACT_POINTS: '' }, 'CASSANDRA_CONTACT_POINTS'],
    ['no limits', { RATE_LIMITS: 'off' }, 'RATE_LIMITS'],
    ['no mail server', { SMTP_URL: '' }, 'SMTP_URL'],
    ['cheap hashes', { BCRYPT_COST: '9' }, 'BCRYPT_COST'],
  ])('C5, I5: refuses %s in production', (_kind, override, name) => {
    const message = faultsOf({ ...production, ...override });
    expect(message).toContain(name);
    expect(message).not.toContain(production.CASSANDRA_PASSWORD);
    expect(message).not.toContain('change_me_please');
  });

  it('is stricter in production without being told', () => {
    const config = toAppConfig(readEnvironment(production));
    expect(config).toMatchObject({
      production: true,
      http: { docs: false, shutdownDelayMs: 5000 },
      cassandra: { contactPoints: ['db1', 'db2'], replicationFactor: 3, migrateOnStart: false },
      auth: { accessTokenSeconds: 900 },
      passwords: { cost: 12 },
      log: { pretty: false },
    });
    expect(configWarnings(config)).toEqual([expect.stringContaining('TRUST_PROXY')]);
    const behindProxy = toAppConfig(readEnvironment({ ...production, TRUST_PROXY: '1' }));
    expect(configWarnings(behindProxy)).toEqual([]);
  });

  it.each([
    ['0', 0],
    ['2', 2],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.1, fd00::/8', '10.0.0.1, fd00::/8'],
  ])('takes TRUST_PROXY=%s', (given, expected) => {
    expect(toAppConfig(readEnvironment({ TRUST_PROXY: given })).http.trustProxy).toBe(expected);
  });

  it.each(['true', 'loopback', '*', 'yes'])('refuses TRUST_PROXY=%s', (given) => {
    expect(faultsOf({ TRUST_PROXY: given })).toContain('TRUST_PROXY');
  });

  it.each(['*', 'null', 'https://a.test/', 'a.test', 'https://a.test,*'])(
    'refuses CORS_ORIGINS=%s',
    (given) => {
      expect(faultsOf({ CORS_ORIGINS: given })).toContain('CORS_ORIGINS');
    },
  );
});
