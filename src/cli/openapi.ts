import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../app.module';
import { toAppConfig } from '../config/app-config';
import { readEnvironment } from '../config/read-environment';
import { createLogger } from '../logging/logger';
import { createDocument } from '../openapi';

/** Writes docs/openapi.json: `npm run gen`. Needs no database. */
async function main(): Promise<void> {
  const config = toAppConfig(readEnvironment({ LOG_FORMAT: 'json', LOG_LEVEL: 'silent' }));
  const app = await NestFactory.create(AppModule.register(config, createLogger(config.log)), {
    preview: true,
    logger: false,
  });
  writeFileSync('docs/openapi.json', `${JSON.stringify(createDocument(app), null, 2)}\n`);
}

void main();
