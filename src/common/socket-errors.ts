import { randomUUID } from 'node:crypto';
import { type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, errorEnvelope } from './errors';

function toAppError(code: string | undefined): AppError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('HEADERS_TOO_LARGE');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('REQUEST_TIMEOUT');
    default:
      return new AppError('MALFORMED_REQUEST');
  }
}

/**
 * Answers requests that never become one (headers too large, not HTTP, not sent in time) in the
 * error envelope. Node would answer them with an empty body, before any middleware.
 */
export function answerSocketErrors(server: Server): void {
  server.on('clientError', (fault: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || fault.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const error = toAppError(fault.code);
    const body = JSON.stringify(errorEnvelope(error));
    socket.end(
      [
        `HTTP/1.1 ${String(error.status)} ${STATUS_CODES[error.status] ?? ''}`,
        'Connection: close',
        'Content-Type: application/json; charset=utf-8',
        `Content-Length: ${String(Buffer.byteLength(body))}`,
        `X-Request-Id: ${randomUUID()}`,
        '',
        body,
      ].join('\r\n'),
    );
  });
}
