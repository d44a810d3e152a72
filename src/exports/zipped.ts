import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { ZipFile } from 'yazl';

/** A file on its way into an archive. */
export interface ZipEntry {
  name: string;
  /** Parts, each made when the one before has been taken. */
  chunks: AsyncIterable<string>;
}

/**
 * A zip archive, part by part, as fast as it is read. Each entry is asked for when the one before is
 * read to its end. Where one of them fails so does the archive, which then has no directory and is no
 * zip; where the reader stops, nothing more is read.
 */
export async function* zipped(entries: AsyncIterable<ZipEntry>): AsyncGenerator<Buffer> {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  let current: Readable | undefined;
  const fail = (error: Error) => output.destroy(error);
  zip.on('error', fail);
  const fill = async () => {
    for await (const { name, chunks } of entries) {
      // Nobody would take what is added now.
      if (output.destroyed) return;
      current = Readable.from(chunks, { highWaterMark: 1 });
      zip.addReadStream(current, name);
      await finished(current);
    }
    zip.end();
  };
  const filled = fill().catch(fail);
  try {
    for await (const part of output) yield part as Buffer;
  } finally {
    output.destroy();
    current?.destroy();
    await filled;
  }
}
