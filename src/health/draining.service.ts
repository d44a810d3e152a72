import type { Server } from 'node:http';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { HttpAdapterHost } from '@nestjs/core';
import type { Response } from 'express';
import { PinoLogger } from 'nestjs-pino';
import type { AppConfig } from '../config/app-config';

/** Lets the requests in flight finish on shutdown, but not for ever. */
@Injectable()
export class DrainingService implements BeforeApplicationShutdown {
  private readonly limitMs: number;

  constructor(
    private readonly adapter: HttpAdapterHost,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const { shutdownDelayMs, shutdownTimeoutMs } = config.get('http', { infer: true });
    this.limitMs = shutdownDelayMs + shutdownTimeoutMs;
  }

  beforeApplicationShutdown(signal?: string): void {
    this.logger.info({ signal }, 'shutting down: finishing the requests in flight');
    const server = this.adapter.httpAdapter.getHttpServer() as Server;
    // Otherwise kept-alive connections would hold the port until they time out.
    server.prependListener('request', (_request: unknown, response: Response) => {
      response.setHeader('Connection', 'close');
    });
    setTimeout(() => {
      this.logger.warn('requests still in flight are cut off');
      server.closeAllConnections();
    }, this.limitMs).unref();
  }
}
