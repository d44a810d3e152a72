import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger } from 'nestjs-pino';
import { AppModule } from './app.module';
import { configureApp } from './app.setup';
import { EnvelopeAdapter } from './common/envelope';
import { type AppConfig, configWarnings } from './config/app-config';
import { createLogger } from './logging/logger';
import { DOCS_PATH } from './openapi';

/** Connects, prepares everything and listens. */
export async function startServer(config: AppConfig): Promise<void> {
  const logger = createLogger(config.log);
  // The driver has let one slip on a reconnect before; a request must not end the process.
  process.on('unhandledRejection', (error) => {
    logger.error({ err: error }, 'unhandled rejection');
  });
  for (const warning of configWarnings(config)) logger.warn(warning);
  const module = AppModule.register(config, logger);
  const app = await NestFactory.create<NestExpressApplication>(module, new EnvelopeAdapter(), {
    bodyParser: false,
    abortOnError: false,
    // Nest tells of every module and route, and of a failed start with a stack; ours is below.
    logger: false,
  });
  configureApp(app).enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  await app.init();
  app.useLogger(app.get(Logger));

  const { host, port, docs } = config.http;
  await app.listen(port, host);
  const url = `http://localhost:${String(port)}`;
  logger.info(
    `ready: ${url}${docs ? `  Swagger UI: ${url}${DOCS_PATH}` : ''}  health: ${url}/health`,
  );
}
