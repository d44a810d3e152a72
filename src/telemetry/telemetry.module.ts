import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { AppConfig } from '../config/app-config';
import { MetricsServer } from './metrics-server';
import { startTracing, TRACING, type Tracing } from './tracing';

@Module({
  providers: [
    MetricsServer,
    {
      provide: TRACING,
      inject: [ConfigService],
      useFactory: async (settings: ConfigService<AppConfig, true>): Promise<Tracing | null> => {
        const config = settings.get('tracing', { infer: true });
        return config ? startTracing(config) : null;
      },
    },
  ],
})
export class TelemetryModule implements OnApplicationShutdown {
  constructor(@Inject(TRACING) private readonly tracing: Tracing | null) {}

  async onApplicationShutdown(): Promise<void> {
    // A receiver that is away must not turn an orderly end into a failed one.
    await this.tracing?.shutdown().catch(() => undefined);
  }
}
