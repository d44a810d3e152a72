import { Writable } from 'node:stream';
import type { AddressInfo } from 'node:net';
import type { Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from '../../src/app.module';
import { configureApp } from '../../src/app.setup';
import { EnvelopeAdapter } from '../../src/common/envelope';
import { createLogger } from '../../src/logging/logger';
import { Api } from './api';
import { testConfig } from './config';
import { appendToRunLog } from './run-log';

/**
 * A whole server in this process, on a port of its own, and a client for it. Of several in one test
 * file the first gets what services of all of them log: nestjs-pino has one logger for that.
 */
export interface TestApp {
  app: NestExpressApplication;
  url: string;
  port: number;
  api: Api;
  /** The parsed lines of its log so far. */
  logs: () => Record<string, unknown>[];
  close: () => Promise<void>;
}

export async function startApp(
  overrides: Record<string, string> = {},
  /** Routes of the test's own, behind everything that is around ours. */
  controllers: Type[] = [],
): Promise<TestApp> {
  const config = testConfig(overrides);
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      appendToRunLog(chunk.toString());
      done();
    },
  });
  const module = await Test.createTestingModule({
    imports: [AppModule.register(config, createLogger(config.log, destination)), DiscoveryModule],
    controllers,
  }).compile();
  const app = module.createNestApplication<NestExpressApplication>(new EnvelopeAdapter(), {
    bodyParser: false,
  });
  configureApp(app);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const url = `http://127.0.0.1:${String(port)}`;
  return {
    app,
    url,
    port,
    api: new Api(url),
    logs: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    close: () => app.close(),
  };
}
