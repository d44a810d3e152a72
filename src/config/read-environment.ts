import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { Environment, isProduction, PLACEHOLDER_SECRET } from './environment';

/** A configuration that cannot be used, with all of its faults in words. */
export class ConfigError extends Error {}

/** Where production differs from a laptop without anybody saying so. */
const PRODUCTION_DEFAULTS: Partial<Environment> = {
  CASSANDRA_REPLICATION_FACTOR: 3,
  MIGRATE_ON_START: 'off',
  JWT_EXPIRES_IN: '15m',
  BCRYPT_COST: 12,
  SHUTDOWN_DELAY: 5,
  DOCS: 'off',
  LOG_FORMAT: 'json',
};

/** RFC 7518 §3.2: an HS256 key has at least the 256 bits of the hash. */
const SECRET_MIN_BYTES = 32;
/** A key of fewer different characters was typed, not drawn. */
const SECRET_MIN_DISTINCT = 8;

function isWeak(secret: string): boolean {
  return (
    secret === PLACEHOLDER_SECRET ||
    Buffer.byteLength(secret) < SECRET_MIN_BYTES ||
    new Set(secret).size < SECRET_MIN_DISTINCT
  );
}

/** A secret that signs tokens, and the name by which a token says which one it was. */
export interface SigningKey {
  kid: string;
  secret: string;
}

/** JWT_KEYS, or JWT_SECRET as the only key. The first one signs, all of them verify. */
export function signingKeys(env: Environment): SigningKey[] {
  if (!env.JWT_KEYS) return [{ kid: 'default', secret: env.JWT_SECRET }];
  return listOf(env.JWT_KEYS).map((entry) => {
    const colon = entry.indexOf(':');
    return { kid: entry.slice(0, colon), secret: entry.slice(colon + 1) };
  });
}

function productionFaults(env: Environment): string[] {
  const faults: string[] = [];
  if (signingKeys(env).some(({ secret }) => isWeak(secret))) {
    faults.push(
      `${env.JWT_KEYS ? 'Each secret of JWT_KEYS' : 'JWT_SECRET'} must be ${String(SECRET_MIN_BYTES)} random bytes or more in production: openssl rand -base64 48`,
    );
  }
  if (env.CASSANDRA_USERNAME === 'cassandra' || env.CASSANDRA_PASSWORD === 'cassandra') {
    faults.push('CASSANDRA_USERNAME and CASSANDRA_PASSWORD must not be the defaults in production');
  }
  if (env.RATE_LIMITS === 'off') faults.push('RATE_LIMITS must be on in production');
  if (env.WEBHOOKS_ALLOW_PRIVATE === 'on') {
    faults.push('WEBHOOKS_ALLOW_PRIVATE must be off in production');
  }
  if (!env.SMTP_URL) faults.push('SMTP_URL must be set in production');
  if (env.BCRYPT_COST < 10) faults.push('BCRYPT_COST must be 10 or more in production');
  return faults;
}

function otherFaults(env: Environment): string[] {
  const faults: string[] = [];
  for (const origin of listOf(env.CORS_ORIGINS)) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      faults.push('CORS_ORIGINS must list exact origins such as https://app.example.com');
    }
  }
  if (env.SMTP_URL && !/^smtps?:\/\/[^/]+/.test(env.SMTP_URL)) {
    faults.push('SMTP_URL must look like smtp://user:password@mail.example.com:587');
  }
  if (env.METRICS_PORT === env.PORT) faults.push('METRICS_PORT must not be the PORT of the API');
  const receiver = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (receiver && !(URL.canParse(receiver) && /^https?:/.test(receiver))) {
    faults.push('OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address');
  }
  if (!URL.canParse(env.APP_URL) || !/^https?:/.test(env.APP_URL)) {
    faults.push('APP_URL must be the http or https address of your front end');
  }
  const kids = listOf(env.JWT_KEYS).map((entry) => /^([\w.-]{1,64}):.+$/.exec(entry)?.[1]);
  if (kids.includes(undefined) || new Set(kids).size !== kids.length) {
    faults.push('JWT_KEYS must be a list of different kid:secret pairs, the signing one first');
  }
  if (!/^(\d{1,2}|[0-9a-fA-F.:/,\s]*[.:][0-9a-fA-F.:/,\s]*)$/.test(env.TRUST_PROXY)) {
    faults.push('TRUST_PROXY must be a number of hops or a list of networks, never "true"');
  }
  return faults;
}

export function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Variables without a default, which a new Environment does not show. */
const OPTIONAL = [
  'CASSANDRA_CONTACT_POINTS',
  'CASSANDRA_TLS_CA',
  'CORS_ORIGINS',
  'JWT_KEYS',
  'SMTP_URL',
  'METRICS_PORT',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
];

/**
 * Reads and checks the variables. A variable that is set to nothing counts as unset.
 * @throws ConfigError that lists every fault at once, by name and never by value.
 */
export function readEnvironment(source: Record<string, string | undefined>): Environment {
  const given = Object.fromEntries(
    Object.keys(new Environment())
      .concat(OPTIONAL)
      .filter((name) => (source[name] ?? '').trim() !== '')
      .map((name) => [name, source[name]]),
  );
  const defaults = source.NODE_ENV === 'production' ? PRODUCTION_DEFAULTS : {};
  const env = plainToInstance(
    Environment,
    { ...defaults, ...given },
    { exposeDefaultValues: true },
  );
  const faults = validateSync(env, { stopAtFirstError: true }).map((error) =>
    error.property === 'CASSANDRA_CONTACT_POINTS'
      ? 'CASSANDRA_CONTACT_POINTS must be set in production'
      : (Object.values(error.constraints ?? {})[0] ?? `${error.property} is invalid`),
  );
  // The further rules take sound values for granted.
  if (faults.length === 0) {
    faults.push(...otherFaults(env), ...(isProduction(env) ? productionFaults(env) : []));
  }
  if (faults.length > 0) {
    throw new ConfigError(`The configuration is not usable:\n  ${faults.join('\n  ')}`);
  }
  return env;
}
