import { plainToInstance, Transform } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsNotEmpty,
  IsString,
  Matches,
  Max,
  Min,
  validateSync,
  ValidateIf,
} from 'class-validator';
import { availableParallelism } from 'node:os';

/** The secret of `.env.example`: fine on a laptop, refused in production. */
export const PLACEHOLDER_SECRET = 'change_me_please';

export class ConfigError extends Error {}

const isProduction = (env: Environment) => env.NODE_ENV === 'production';

const ToInteger = () =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^-?\d{1,12}$/.test(value.trim()) ? Number(value) : value,
  );

/** A whole number between `min` and `max`. */
function Whole(min: number, max: number): PropertyDecorator {
  const message = `$property must be a whole number from ${String(min)} to ${String(max)}`;
  return (target, property) => {
    ToInteger()(target, property);
    IsInt({ message })(target, property);
    Min(min, { message })(target, property);
    Max(max, { message })(target, property);
  };
}

function OneOf(...values: string[]): PropertyDecorator {
  return IsIn(values, { message: `$property must be one of: ${values.join(', ')}` });
}

function Text(): PropertyDecorator {
  return (target, property) => {
    IsString()(target, property);
    IsNotEmpty({ message: '$property must not be empty' })(target, property);
  };
}

const Duration = () =>
  Matches(/^[1-9]\d{0,5}[smhd]$/, { message: '$property must look like 15m, 12h or 1d' });

const Limits = () =>
  Matches(/^[1-9]\d{0,6}\/[1-9]\d{0,4}[smhd](,[1-9]\d{0,6}\/[1-9]\d{0,4}[smhd])*$/, {
    message: '$property must look like 10/15m or 10/15m,30/1d',
  });

/**
 * Every variable the server reads, with its default. What each one means for an operator stands in
 * `.env.example` and in the table of the README.
 */
export class Environment {
  @OneOf('development', 'test', 'production')
  NODE_ENV: string = 'development';

  @Whole(0, 65535)
  PORT: number = 4000;

  @Text()
  HOST: string = '0.0.0.0';

  @Text()
  @ValidateIf(isProduction)
  CASSANDRA_CONTACT_POINTS?: string;

  @Whole(1, 65535)
  CASSANDRA_PORT: number = 9042;

  @Text()
  CASSANDRA_DATACENTER: string = 'datacenter1';

  @Matches(/^[a-z][a-z0-9_]{0,47}$/, {
    message: '$property must be 1 to 48 of a-z, 0-9 and _, beginning with a letter',
  })
  CASSANDRA_KEYSPACE: string = 'crm';

  @Text()
  CASSANDRA_USERNAME: string = 'cassandra';

  @Text()
  CASSANDRA_PASSWORD: string = 'cassandra';

  @OneOf('on', 'off')
  CASSANDRA_TLS: string = 'off';

  CASSANDRA_TLS_CA?: string;

  @Whole(1, 9)
  CASSANDRA_REPLICATION_FACTOR: number = 1;

  @Whole(1, 600)
  CASSANDRA_CONNECT_TIMEOUT: number = 30;

  @OneOf('on', 'off')
  MIGRATE_ON_START: string = 'on';

  @Text()
  JWT_SECRET: string = PLACEHOLDER_SECRET;

  @Duration()
  JWT_EXPIRES_IN: string = '1d';

  JWT_KEYS?: string;

  @Duration()
  REFRESH_EXPIRES_IN: string = '30d';

  @Whole(0, 30)
  REFRESH_GRACE: number = 10;

  @OneOf('on', 'off')
  RATE_LIMITS: string = 'on';

  @Limits()
  LOGIN_LIMIT: string = '10/15m,30/1d';

  @Limits()
  LOGIN_ACCOUNT_LIMIT: string = '100/15m';

  @Limits()
  LOGIN_ADDRESS_LIMIT: string = '100/15m';

  @Limits()
  PASSWORD_LIMIT: string = '10/15m,30/1d';

  @Limits()
  REGISTER_LIMIT: string = '60/1h';

  @Limits()
  REFRESH_LIMIT: string = '60/1m';

  @Limits()
  RESET_LIMIT: string = '20/1h';

  @Limits()
  INVITE_LIMIT: string = '200/1d';

  @Limits()
  REQUEST_LIMIT: string = '3000/1m';

  @Limits()
  KEY_LIMIT: string = '1000/1m';

  @OneOf('open', 'closed')
  REGISTRATION_MODE: string = 'open';

  @Whole(1, 3600)
  CLAIM_LEASE: number = 30;

  @Whole(4, 20)
  BCRYPT_COST: number = 10;

  @Whole(1, 64)
  HASH_THREADS: number = Math.max(1, availableParallelism() - 1);

  @Whole(1, 10_000)
  HASH_QUEUE: number = 200;

  CORS_ORIGINS?: string;

  @Text()
  TRUST_PROXY: string = '0';

  @Whole(1, 10_000)
  BODY_LIMIT_KB: number = 100;

  @Whole(1, 600)
  REQUEST_TIMEOUT: number = 30;

  @Whole(0, 600)
  SHUTDOWN_DELAY: number = 0;

  @Whole(1, 600)
  SHUTDOWN_TIMEOUT: number = 30;

  SMTP_URL?: string;

  @Text()
  MAIL_FROM: string = 'CRM <no-reply@localhost>';

  @Text()
  APP_URL: string = 'http://localhost:3000';

  @OneOf('on', 'off')
  WORKERS: string = 'on';

  @OneOf('on', 'off')
  DOCS: string = 'on';

  @OneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent')
  LOG_LEVEL: string = 'info';

  @OneOf('pretty', 'json')
  LOG_FORMAT: string = 'pretty';
}

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
