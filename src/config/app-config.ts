import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, PLACEHOLDER_SECRET } from './environment';
import {
  ConfigError,
  listOf,
  readEnvironment,
  type SigningKey,
  signingKeys,
} from './read-environment';

/** The configuration as the code uses it: grouped, typed, in milliseconds and bytes. */
export interface AppConfig {
  production: boolean;
  http: {
    host: string;
    port: number;
    corsOrigins: string[];
    /** Hops or networks, in the form that Express takes; 0 trusts nobody. */
    trustProxy: number | string;
    bodyLimitBytes: number;
    requestTimeoutMs: number;
    /** From here on a request tells its statements in the log. */
    slowRequestMs: number;
    shutdownDelayMs: number;
    shutdownTimeoutMs: number;
    docs: boolean;
  };
  /** How many are worked on at a time (0: as many as come), and how many may wait for that. */
  requests: { concurrent: number; waiting: number };
  cassandra: {
    contactPoints: string[];
    port: number;
    datacenter: string;
    keyspace: string;
    username: string;
    password: string;
    /** null: no TLS. */
    tls: { ca: Buffer | undefined } | null;
    replicationFactor: number;
    connectTimeoutMs: number;
    migrateOnStart: boolean;
  };
  auth: {
    /** The first one signs, all of them verify. */
    keys: SigningKey[];
    accessTokenSeconds: number;
    refreshTokenSeconds: number;
    /** How long a refresh token that was just traded still gets the same answer. */
    refreshGraceMs: number;
    registrationOpen: boolean;
    /** How long an unfinished registration keeps its claims; see docs/adr/0003. */
    claimLeaseMs: number;
  };
  /** How long deleted records can be restored. */
  records: { retentionMs: number };
  imports: { maxBytes: number };
  passwords: { cost: number; threads: number; queue: number };
  /** Each list is of windows that all hold; see src/limits. */
  limits: {
    enabled: boolean;
    attempts: Record<
      | 'login'
      | 'login-account'
      | 'login-address'
      | 'password'
      | 'register'
      | 'refresh'
      | 'reset'
      | 'invite',
      LimitWindow[]
    >;
    perOrganization: LimitWindow;
    perKey: LimitWindow;
  };
  mail: {
    /** null: messages become files in `folder`. */
    smtpUrl: string | null;
    from: string;
    folder: string;
    /** Where the links in mails lead, without a slash at its end. */
    appUrl: string;
  };
  webhooks: { allowPrivate: boolean; firstRetryMs: number; giveUpMs: number };
  /** Whether this process does background work. */
  workers: boolean;
  metrics: {
    /** null: no port of its own. */
    port: number | null;
    /** Never in production: it is not for those who use the API. */
    onApiPort: boolean;
  };
  /** null: requests are not traced. */
  tracing: {
    /** Where the receiver takes traces. */
    url: string;
    serviceName: string;
    /** Of the requests whose caller has not decided: 0 to 1. */
    sampledShare: number;
  } | null;
  log: { level: string; pretty: boolean };
  /** Signs list cursors. */
  cursorKey: KeyObject;
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

function seconds(duration: string): number {
  return Number(duration.slice(0, -1)) * SECONDS[duration.slice(-1) as keyof typeof SECONDS];
}

/** At most `count` in any `seconds`. */
export interface LimitWindow {
  count: number;
  seconds: number;
}

function windows(text: string): LimitWindow[] {
  return listOf(text).map((entry) => {
    const [count = '', duration = ''] = entry.split('/');
    return { count: Number(count), seconds: seconds(duration) };
  });
}

function firstWindow(text: string): LimitWindow {
  return windows(text)[0] ?? { count: 1, seconds: 1 };
}

/** A key for one purpose, so that there is one secret to keep. */
export function deriveKey(secret: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)));
}

/** The first makes what the others open, too, while keys are changed. */
export type Keys = readonly [KeyObject, ...KeyObject[]];

/** A key for one purpose from each of the keys of the server. */
export function deriveKeys({ keys }: AppConfig['auth'], purpose: string): Keys {
  const [first, ...others] = keys.map(({ secret }) => deriveKey(secret, purpose));
  if (!first) throw new Error('There is no key');
  return [first, ...others];
}

function readCertificate(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch {
    throw new ConfigError('The configuration is not usable:\n  CASSANDRA_TLS_CA cannot be read');
  }
}

export function toAppConfig(env: Environment): AppConfig {
  const hops = Number(env.TRUST_PROXY);
  return {
    production: env.NODE_ENV === 'production',
    http: {
      host: env.HOST,
      port: env.PORT,
      corsOrigins: listOf(env.CORS_ORIGINS),
      trustProxy: Number.isInteger(hops) ? hops : env.TRUST_PROXY,
      bodyLimitBytes: env.BODY_LIMIT_KB * 1024,
      requestTimeoutMs: env.REQUEST_TIMEOUT * 1000,
      slowRequestMs: env.SLOW_REQUEST_MS,
      shutdownDelayMs: env.SHUTDOWN_DELAY * 1000,
      shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT * 1000,
      docs: env.DOCS === 'on',
    },
    requests: { concurrent: env.CONCURRENT_REQUESTS, waiting: env.WAITING_REQUESTS },
    cassandra: {
      contactPoints: listOf(env.CASSANDRA_CONTACT_POINTS ?? '127.0.0.1'),
      port: env.CASSANDRA_PORT,
      datacenter: env.CASSANDRA_DATACENTER,
      keyspace: env.CASSANDRA_KEYSPACE,
      username: env.CASSANDRA_USERNAME,
      password: env.CASSANDRA_PASSWORD,
      tls: env.CASSANDRA_TLS === 'on' ? { ca: readCertificate(env.CASSANDRA_TLS_CA) } : null,
      replicationFactor: env.CASSANDRA_REPLICATION_FACTOR,
      connectTimeoutMs: env.CASSANDRA_CONNECT_TIMEOUT * 1000,
      migrateOnStart: env.MIGRATE_ON_START === 'on',
    },
    auth: {
      keys: signingKeys(env),
      accessTokenSeconds: seconds(env.JWT_EXPIRES_IN),
      refreshTokenSeconds: seconds(env.REFRESH_EXPIRES_IN),
      refreshGraceMs: env.REFRESH_GRACE * 1000,
      registrationOpen: env.REGISTRATION_MODE === 'open',
      claimLeaseMs: env.CLAIM_LEASE * 1000,
    },
    records: { retentionMs: seconds(env.RECORD_RETENTION) * 1000 },
    imports: { maxBytes: env.IMPORT_MAX_BYTES },
    passwords: { cost: env.BCRYPT_COST, threads: env.HASH_THREADS, queue: env.HASH_QUEUE },
    limits: {
      enabled: env.RATE_LIMITS === 'on',
      attempts: {
        login: windows(env.LOGIN_LIMIT),
        'login-account': windows(env.LOGIN_ACCOUNT_LIMIT),
        'login-address': windows(env.LOGIN_ADDRESS_LIMIT),
        password: windows(env.PASSWORD_LIMIT),
        register: windows(env.REGISTER_LIMIT),
        refresh: windows(env.REFRESH_LIMIT),
        reset: windows(env.RESET_LIMIT),
        invite: windows(env.INVITE_LIMIT),
      },
      perOrganization: firstWindow(env.REQUEST_LIMIT),
      perKey: firstWindow(env.KEY_LIMIT),
    },
    mail: {
      smtpUrl: env.SMTP_URL ?? null,
      from: env.MAIL_FROM,
      folder: join('.local', 'mail'),
      appUrl: env.APP_URL.replace(/\/+$/, ''),
    },
    webhooks: {
      allowPrivate: env.WEBHOOKS_ALLOW_PRIVATE === 'on',
      firstRetryMs: seconds(env.WEBHOOK_RETRY) * 1000,
      giveUpMs: seconds(env.WEBHOOK_GIVE_UP) * 1000,
    },
    workers: env.WORKERS === 'on',
    metrics: {
      port: env.METRICS_PORT ?? null,
      onApiPort: env.METRICS_PORT === undefined && env.NODE_ENV !== 'production',
    },
    tracing: env.OTEL_EXPORTER_OTLP_ENDPOINT
      ? {
          url: `${env.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, '')}/v1/traces`,
          serviceName: env.OTEL_SERVICE_NAME,
          sampledShare: Number(env.OTEL_TRACES_SAMPLER_ARG),
        }
      : null,
    log: { level: env.LOG_LEVEL, pretty: env.LOG_FORMAT === 'pretty' },
    cursorKey: deriveKey(signingKeys(env)[0]?.secret ?? '', 'list cursor'),
  };
}

/** What works but should not stay so; logged once at start. */
export function configWarnings(config: AppConfig): string[] {
  const warnings: string[] = [];
  if (config.auth.keys.some(({ secret }) => secret === PLACEHOLDER_SECRET)) {
    warnings.push('JWT_SECRET is the public placeholder: anybody can sign in as anybody');
  }
  if (config.production && config.cassandra.replicationFactor < 3) {
    warnings.push('CASSANDRA_REPLICATION_FACTOR is below 3: one lost node can lose data');
  }
  if (config.production && config.http.trustProxy === 0) {
    warnings.push(
      'TRUST_PROXY is 0: behind a proxy all clients would share one address, and its limits',
    );
  }
  return warnings;
}

/**
 * The configuration from `.env` and the environment, which wins. The only reader of process.env.
 * @throws ConfigError
 */
export function loadConfig(): AppConfig {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return toAppConfig(readEnvironment(process.env));
}
