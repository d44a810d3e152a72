import { type DynamicModule, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { Logger } from 'pino';
import { createHttpLogger } from './http-logger';

/** The pino-http middleware; app.setup puts it first, so that refused bodies are logged too. */
export const HTTP_LOGGER = Symbol('HTTP_LOGGER');

@Module({})
export class LoggingModule {
  static register(logger: Logger): DynamicModule {
    return {
      module: LoggingModule,
      global: true,
      imports: [
        LoggerModule.forRoot({
          pinoHttp: { logger },
          // The middleware runs already; here it is only made known to the logger of each request.
          useExisting: true,
          assignResponse: true,
        }),
      ],
      providers: [{ provide: HTTP_LOGGER, useValue: createHttpLogger(logger) }],
      exports: [HTTP_LOGGER],
    };
  }
}
