// What the tools use of the server as npm run build has made it. It comes without types: here they are.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { ModulesContainer, NestFactory } from '@nestjs/core';
import { PROJECT } from './local-cassandra/common.mts';

/** Who writes a record. */
export interface Caller {
  organizationId: string;
  userId: string;
  role: 'admin' | 'manager';
}

export interface ObjectService {
  definition: { object: string };
  create: (caller: Caller, body: object) => Promise<unknown>;
}

export interface NewUser {
  id: string;
  email: string;
  passwordHash: string;
  firstName: string;
  lastName: string;
  role: Caller['role'];
}

const load = createRequire(join(PROJECT, 'dist', 'main.js')) as (path: string) => unknown;

const { loadConfig } = load('./config/app-config.js') as { loadConfig: () => object };
const { createLogger } = load('./logging/logger.js') as {
  createLogger: (settings: object) => object;
};
const { AppModule } = load('./app.module.js') as {
  AppModule: { register: (config: object, logger: object) => Type };
};
const { ObjectService: AnyObjectService } = load('./records/object.service.js') as {
  ObjectService: Type<ObjectService>;
};
export const { PasswordService } = load('./auth/password.service.js') as {
  PasswordService: Type<{ hash: (password: string) => Promise<string> }>;
};
export const { OrganizationsService } = load('./organizations/organizations.service.js') as {
  OrganizationsService: Type<{ create: (id: string, owner: NewUser) => Promise<unknown> }>;
};
export const { UsersService } = load('./users/users.service.js') as {
  UsersService: Type<{ create: (id: string, user: NewUser) => Promise<unknown> }>;
};
export const { bucketsFor, Rebucketing } = load('./records/upkeep/rebucket.service.js') as {
  bucketsFor: (records: number) => number;
  Rebucketing: Type<{
    grow: (
      organizationId: string,
      buckets: number,
      object: string,
      log: (message: string) => void,
    ) => Promise<void>;
  }>;
};
export const { inParallel } = load('./common/in-parallel.js') as {
  inParallel: <T>(
    items: Iterable<T>,
    atOnce: number,
    work: (item: T) => Promise<void>,
  ) => Promise<void>;
};
export const { Progress } = load('./cli/progress.js') as {
  Progress: new (what: string, total: number) => { at: (done: number) => void; end: () => void };
};

/** The whole server but its port and its background work. */
export function openApplication(): Promise<INestApplicationContext> {
  const config = { ...loadConfig(), workers: false, log: { level: 'error', pretty: false } };
  return NestFactory.createApplicationContext(
    AppModule.register(config, createLogger(config.log)),
    { logger: false, abortOnError: false },
  );
}

/** The service of a kind of record, wherever it is provided; undefined where there is none. */
export function serviceOf(app: INestApplicationContext, object: string): ObjectService | undefined {
  const modules = [...app.get(ModulesContainer).values()];
  return modules
    .flatMap(({ providers }) => [...providers.values()])
    .map(({ instance }): unknown => instance)
    .filter((instance) => instance instanceof AnyObjectService)
    .find(({ definition }) => definition.object === object);
}
