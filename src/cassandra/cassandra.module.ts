import { Global, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import type { AppConfig } from '../config/app-config';
import { CassandraService } from './cassandra.service';
import { connect } from './connect';
import { migrate, verifySchema } from './migrator';

/** The database, connected, at the right schema and with every statement prepared. */
@Global()
@Module({
  providers: [
    {
      provide: CassandraService,
      inject: [ConfigService, PinoLogger],
      useFactory: async (settings: ConfigService<AppConfig, true>, logger: PinoLogger) => {
        const config = settings.get('cassandra', { infer: true });
        const log = (message: string) => {
          logger.info({ context: 'Cassandra' }, message);
        };
        if (config.migrateOnStart) await migrate(config, log);
        const client = await connect(config, config.keyspace, log);
        if (!config.migrateOnStart) await verifySchema(client);
        client.on('log', (level: string, source: string, message: string) => {
          if (level === 'error' || level === 'warning') {
            logger.warn({ context: 'CassandraDriver', source }, message);
          }
        });
        const service = new CassandraService(client, config.keyspace);
        await service.prepareAll();
        return service;
      },
    },
  ],
  exports: [CassandraService],
})
export class CassandraModule {}
