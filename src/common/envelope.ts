import { ExpressAdapter } from '@nestjs/platform-express';
import type { Response } from 'express';
import { Answer } from './answer';
import { Page } from './page';

/** What is sent where all went well: `{success: true, data}`, a page with its `meta`. */
export class Envelope {
  readonly success = true;

  constructor(
    readonly data: unknown,
    readonly meta?: { limit: number; next_cursor: string | null },
  ) {}
}

/**
 * Puts what a controller returned into its envelope, and what belongs to it beside the data on the
 * response. Undefined stays: an answer without a body.
 */
export function enveloped(result: unknown, response: Response): Envelope | undefined {
  if (result instanceof Envelope) return result;
  const value = result instanceof Answer ? unpack(result, response) : result;
  if (value === undefined) return undefined;
  if (value instanceof Page) {
    return new Envelope(value.items, { limit: value.limit, next_cursor: value.nextCursor });
  }
  return new Envelope(value);
}

function unpack({ data, options }: Answer<unknown>, response: Response): unknown {
  response.set(options.headers ?? {});
  if (options.status !== undefined) response.status(options.status);
  return data;
}

/**
 * Express, with an envelope around the result of each controller. Every answer of one comes by here; an
 * interceptor for it would cost a short request some 6 % of its processor time (docs/performance.md).
 */
export class EnvelopeAdapter extends ExpressAdapter {
  override reply(response: Response, result: unknown, status?: number): unknown {
    return super.reply(response, enveloped(result, response), status) as unknown;
  }
}
