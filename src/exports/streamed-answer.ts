import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import { leaveQueue } from '../common/request-context';

/** A client that reads nothing for this long is not there any more. */
const IDLE_MS = 60_000;

/** What a body of unknown length says of itself. */
export interface StreamedFile {
  contentType: string;
  /** Of letters, digits, dots and hyphens. */
  name: string;
  /** Parts, each made when the one before has been taken. */
  chunks: AsyncIterator<string | Buffer>;
}

/**
 * Sends a body part by part, as fast as the client takes it. It has no length: where making it fails
 * half way the connection is broken off, so that nobody takes a part for the whole. The first part
 * is made before anything is sent: a refusal is a usual error answer.
 * @returns false where the client has gone before the end
 */
export async function sendStreamed(response: Response, file: StreamedFile): Promise<boolean> {
  const first = await file.chunks.next();
  response.setHeader('Content-Type', file.contentType);
  response.setHeader('Content-Disposition', `attachment; filename="${file.name}"`);
  response.setTimeout(IDLE_MS, () => response.destroy());
  if (response.req.method === 'HEAD') {
    await file.chunks.return?.();
    response.end();
    return true;
  }
  leaveQueue();
  try {
    await pipeline(Readable.from(resumed(first, file.chunks), { highWaterMark: 1 }), response);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return false;
    throw error;
  } finally {
    // A client may have gone before the first part was asked for.
    await file.chunks.return?.();
  }
}

async function* resumed<T>(
  first: IteratorResult<T, unknown>,
  rest: AsyncIterator<T>,
): AsyncGenerator<T> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}
