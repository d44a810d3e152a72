import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { AddressRefusedError, isPublicAddress, publicLookup } from './addresses';

const TIMEOUT_MS = 10_000;
/** What is read of an answer, to use its connection again. Nobody is ever shown any of it. */
const ANSWER_LIMIT_BYTES = 4096;

/** How an attempt ended. */
export interface Outcome {
  ok: boolean;
  status: number | null;
  error: string | null;
  latencyMs: number;
}

/** Sends deliveries. Names are resolved and checked at the moment of the connection. */
export class WebhookSender {
  private readonly http = new HttpAgent({ keepAlive: true, maxFreeSockets: 64, timeout: 30_000 });
  private readonly https = new HttpsAgent({ keepAlive: true, maxFreeSockets: 64, timeout: 30_000 });

  constructor(private readonly allowPrivate: boolean) {}

  /** One attempt: anything but a 2xx within ten seconds is a failure, a redirect, too. */
  async send(
    address: string,
    headers: Record<string, string>,
    body: string,
    stop: AbortSignal,
  ): Promise<Outcome> {
    const startedAt = Date.now();
    const end = (status: number | null, error: string | null): Outcome => ({
      ok: error === null,
      status,
      error,
      latencyMs: Date.now() - startedAt,
    });
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const status = await this.post(address, headers, body, AbortSignal.any([timeout, stop]));
      return end(status, status >= 200 && status < 300 ? null : 'status');
    } catch (error) {
      if (error instanceof AddressRefusedError) return end(null, 'address_refused');
      return end(null, timeout.aborted ? 'timeout' : 'connection');
    }
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }

  private post(
    address: string,
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
  ): Promise<number> {
    const url = new URL(address);
    const isTls = url.protocol === 'https:';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      // A literal address is never looked up.
      if (!this.allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) {
        reject(new AddressRefusedError('The address is not public'));
        return;
      }
      const options = {
        method: 'POST',
        agent: isTls ? this.https : this.http,
        signal,
        headers: {
          ...headers,
          'Content-Type': 'application/json',
          'Content-Length': String(Buffer.byteLength(body)),
          'User-Agent': 'crm-webhooks/1',
        },
        ...(this.allowPrivate ? {} : { lookup: publicLookup as never }),
      };
      const request = (isTls ? httpsRequest : httpRequest)(url, options, (response) => {
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > ANSWER_LIMIT_BYTES) response.destroy();
        });
        response.on('error', () => undefined);
        response.on('close', () => {
          if (signal.aborted) reject(new Error('stopped'));
          else resolve(response.statusCode ?? 0);
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}
