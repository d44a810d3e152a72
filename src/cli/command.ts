import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../app.module';
import { LeaseLostError } from '../cassandra/lease';
import { loadConfig } from '../config/app-config';
import { createLogger } from '../logging/logger';
import { OrganizationsService } from '../organizations/organizations.service';
import { failStart } from '../start-failure';

/** What a person can put right: printed without a stack, and the exit code is 1. */
export class CommandError extends Error {}

/** What is wrong with the arguments: answered with the usage, and the exit code is 2. */
export class UsageError extends Error {}

type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O }>
>['values'];

/**
 * The program of a command: reads its options, does its work with everything the server has but
 * its port and its background work, and ends the process.
 * @param check turns the options into what `work` needs, before anything is connected; throws
 * UsageError
 * @param work returns the exit code
 */
export function runCommand<O extends ParseArgsOptionsConfig, T>(
  usage: string,
  options: O,
  check: (values: Values<O>) => T,
  work: (app: INestApplicationContext, task: T) => Promise<number>,
): void {
  const main = async (): Promise<number> => {
    let task: T;
    try {
      task = check(parseArgs({ options }).values);
    } catch (error) {
      if (error instanceof UsageError) console.error(error.message);
      console.error(usage);
      return 2;
    }
    const config = { ...loadConfig(), workers: false, log: { level: 'error', pretty: false } };
    const app = await NestFactory.createApplicationContext(
      AppModule.register(config, createLogger(config.log)),
      { logger: false, abortOnError: false },
    );
    try {
      return await work(app, task);
    } catch (error) {
      if (error instanceof CommandError) console.error(error.message);
      else if (error instanceof LeaseLostError) console.error('Another process is at it already.');
      else throw error;
      return 1;
    } finally {
      await app.close();
    }
  };
  main().then((code) => process.exit(code), failStart);
}

/** @throws UsageError where it was not given */
export function required(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new UsageError(`--${option} is missing.`);
  return value;
}

/** @throws CommandError where there is no such organization, or it is being erased */
export async function demandOrganization(
  app: INestApplicationContext,
  organizationId: string,
): Promise<void> {
  if (await app.get(OrganizationsService).isKept(organizationId)) return;
  throw new CommandError(`There is no organization "${organizationId}".`);
}
