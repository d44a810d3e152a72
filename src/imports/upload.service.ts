import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { withOwnDeadline } from '../common/request-context';
import { LineCounter } from './csv-format';
import type { Upload } from './import';
import { ImportChunksRepository } from './import-chunks.repository';

const PART_BYTES = 128 * 1024;
const HEAD_BYTES = 64 * 1024;
/** For each part: how long a file takes is for its sender to say. */
const PART_LIMIT_MS = 15_000;

/** What is known of a file when all of it has come. */
export interface Received {
  upload: Upload;
  bytes: number;
  sha256: string;
  /** Its first 64 kB. */
  head: Buffer;
  isUtf8: boolean;
  /** Lines, the header among them. */
  lines: number;
}

/** Puts a file into the database as it arrives: no faster than that takes it, and never as a whole. */
@Injectable()
export class UploadService {
  constructor(private readonly chunks: ImportChunksRepository) {}

  /** @throws whatever the stream fails with; then nothing of the file stays behind */
  async receive(organizationId: string, file: AsyncIterable<Buffer>): Promise<Received> {
    const upload: Upload = { id: randomId(), parts: 0 };
    const hash = createHash('sha256');
    const lines = new LineCounter();
    const validity = new Utf8Check();
    let head = Buffer.alloc(0);
    let bytes = 0;
    const put = async (content: Buffer) => {
      hash.update(content);
      lines.add(content);
      validity.add(content);
      if (head.length < HEAD_BYTES) {
        head = Buffer.concat([head, content.subarray(0, HEAD_BYTES - head.length)]);
      }
      bytes += content.length;
      const part = upload.parts++;
      await withOwnDeadline(PART_LIMIT_MS, () =>
        this.chunks.put(organizationId, upload.id, part, content),
      );
    };
    try {
      let pending: Buffer[] = [];
      let size = 0;
      for await (const piece of file) {
        pending.push(piece);
        size += piece.length;
        if (size < PART_BYTES) continue;
        await put(Buffer.concat(pending));
        [pending, size] = [[], 0];
      }
      if (size > 0) await put(Buffer.concat(pending));
    } catch (error) {
      await this.discard(organizationId, upload);
      throw error;
    }
    return {
      upload,
      bytes,
      sha256: hash.digest('hex'),
      head,
      isUtf8: validity.end(),
      lines: lines.lines,
    };
  }

  /** What cannot be removed now expires. */
  async discard(organizationId: string, upload: Upload): Promise<void> {
    await withOwnDeadline(PART_LIMIT_MS, () => this.chunks.remove(organizationId, upload)).catch(
      () => undefined,
    );
  }
}

/** Whether a file that passes by is valid UTF-8. */
class Utf8Check {
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private isValid = true;

  add(bytes: Buffer): void {
    this.try(() => this.decoder.decode(bytes, { stream: true }));
  }

  end(): boolean {
    this.try(() => this.decoder.decode());
    return this.isValid;
  }

  private try(decode: () => string): void {
    if (!this.isValid) return;
    try {
      decode();
    } catch {
      this.isValid = false;
    }
  }
}
