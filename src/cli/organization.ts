import { NestFactory } from '@nestjs/core';
import { AppModule } from '../app.module';
import { loadConfig } from '../config/app-config';
import { createLogger } from '../logging/logger';
import { OrganizationsService } from '../organizations/organizations.service';
import { failStart } from '../start-failure';

const USAGE = `npm run organization -- --suspend ID   nobody of it gets in, nothing is deleted
npm run organization -- --resume ID    lets them in again`;

async function main([option, id, ...others]: string[]): Promise<number> {
  if (id === undefined || others.length > 0 || !['--suspend', '--resume'].includes(option ?? '')) {
    console.error(USAGE);
    return 2;
  }
  const config = { ...loadConfig(), workers: false, log: { level: 'error', pretty: false } };
  const app = await NestFactory.createApplicationContext(
    AppModule.register(config, createLogger(config.log)),
    { logger: false, abortOnError: false },
  );
  const done = await app.get(OrganizationsService).suspend(id, option === '--suspend');
  await app.close();
  console.log(done ? 'Done.' : 'Nothing to do: there is no such organization in the other state.');
  return done ? 0 : 1;
}

main(process.argv.slice(2)).then((code) => process.exit(code), failStart);
