import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsNotEmpty, IsString, Matches, Max, Min, ValidateIf } from 'class-validator';
import { availableParallelism } from 'node:os';

/** The secret of `.env.example`: fine on a laptop, refused in production. */
export const PLACEHOLDER_SECRET = 'change_me_please';

export const isProduction = (env: Environment) => env.NODE_ENV === 'production';

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

const HASH_THREADS_MAX = 64;
/** On Linux they have what the process leaves of the processors; elsewhere one is kept from them. */
const HASH_THREADS = Math.min(
  HASH_THREADS_MAX,
  Math.max(1, availableParallelism() - (process.platform === 'linux' ? 0 : 1)),
);

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

  @Duration()
  RECORD_RETENTION: string = '30d';

  @Whole(1, 10_737_418_240)
  IMPORT_MAX_BYTES: number = 536_870_912;

  @Whole(4, 20)
  BCRYPT_COST: number = 10;

  @Whole(1, HASH_THREADS_MAX)
  HASH_THREADS: number = HASH_THREADS;

  @Whole(1, 10_000)
  HASH_QUEUE: number = 200;

  CORS_ORIGINS?: string;

  @Text()
  TRUST_PROXY: string = '0';

  @Whole(1, 10_000)
  BODY_LIMIT_KB: number = 100;

  @Whole(1, 600)
  REQUEST_TIMEOUT: number = 30;

  @Whole(0, 10_000)
  CONCURRENT_REQUESTS: number = 64;

  @Whole(0, 100_000)
  WAITING_REQUESTS: number = 256;

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

  @Whole(1, 600_000)
  SLOW_REQUEST_MS: number = 1000;
  @Duration()
  WEBHOOK_RETRY: string = '5s';

  @Duration()
  WEBHOOK_GIVE_UP: string = '72h';

  @OneOf('on', 'off')
  WEBHOOKS_ALLOW_PRIVATE: string = 'off';

  @OneOf('on', 'off')
  DOCS: string = 'on';

  @Whole(1, 65535)
  @ValidateIf((env: Environment) => env.METRICS_PORT !== undefined)
  METRICS_PORT?: number;

  OTEL_EXPORTER_OTLP_ENDPOINT?: string;

  @Text()
  OTEL_SERVICE_NAME: string = 'crm-backend';

  @Matches(/^(0|1|0\.\d{1,9}|1\.0+)$/, { message: '$property must be a share from 0 to 1' })
  OTEL_TRACES_SAMPLER_ARG: string = '1';

  @OneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent')
  LOG_LEVEL: string = 'info';

  @OneOf('pretty', 'json')
  LOG_FORMAT: string = 'pretty';
}
