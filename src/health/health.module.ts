import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { TerminusModule } from '@nestjs/terminus';
import type { AppConfig } from '../config/app-config';
import { DrainingService } from './draining.service';
import { HealthController } from './health.controller';

@Module({
  imports: [
    TerminusModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService<AppConfig, true>) => ({
        logger: false,
        // Between "not ready" and the closing of the port: what a load balancer needs to notice.
        gracefulShutdownTimeoutMs: config.get('http', { infer: true }).shutdownDelayMs,
      }),
    }),
  ],
  controllers: [HealthController],
  providers: [DrainingService],
})
export class HealthModule {}
