import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { RequestHandler } from 'express';
import type { AppConfig } from '../config/app-config';
import { ConfigError } from '../config/read-environment';
import { measureProcess, registry } from './metrics';

const PATH = '/metrics';

function isAsked(request: IncomingMessage): boolean {
  const asks = request.method === 'GET' || request.method === 'HEAD';
  return asks && request.url?.split('?', 1)[0] === PATH;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const text = await registry.metrics();
    response.setHeader('Content-Type', registry.contentType);
    response.end(request.method === 'HEAD' ? undefined : text);
  } catch {
    response.statusCode = 500;
    response.end();
  }
}

/** `/metrics` on the port of the API, for where nobody is to be kept away from it. */
export function metricsRoute(): RequestHandler {
  measureProcess();
  return (request, response, next) => {
    if (isAsked(request)) void answer(request, response);
    else next();
  };
}

/** `/metrics` on a port of its own: it tells how a deployment is doing, which is not for everybody. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;

  constructor(private readonly config: ConfigService<AppConfig, true>) {}

  async onApplicationBootstrap(): Promise<void> {
    const { port } = this.config.get('metrics', { infer: true });
    if (port === null) return;
    measureProcess();
    const server = createServer((request, response) => {
      if (isAsked(request)) {
        void answer(request, response);
        return;
      }
      response.statusCode = 404;
      response.end();
    });
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new ConfigError(`METRICS_PORT ${String(port)} cannot be opened: ${error.code ?? ''}`),
        );
      });
      server.listen(port, this.config.get('http', { infer: true }).host, resolve);
    });
  }

  /** The last phase of a shutdown: until then it can be watched. */
  async onApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (!server?.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
