import type { Readable } from 'node:stream';
import busboy from 'busboy';
import type { Request } from 'express';
import { AppError, type FieldFault, validationFailed } from '../common/errors';

const FIELDS_MAX = 20;
/** Of a mapping of a thousand columns. */
const FIELD_BYTES_MAX = 256 * 1024;
/** Without a byte for this long, the sender has gone. */
const SILENCE_MS = 30_000;

/** The fields of a form, each given once. */
export type FormFields = ReadonlyMap<string, string>;

function refusal(field: string, rule: string, message: string): AppError {
  const fault: FieldFault = { field: field.slice(0, 100), rule, message };
  return validationFailed([fault]);
}

/**
 * Reads a form whose last part is a file named `file`, which `onFile` takes as it arrives. What it
 * made of it is given back by `discard` where the form turns out to be wrong behind the file.
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, VALIDATION_FAILED, PAYLOAD_TOO_LARGE, MALFORMED_REQUEST
 */
export function readForm<T>(
  request: Request,
  maxBytes: number,
  onFile: (fields: FormFields, file: Readable, name: string | null) => Promise<T>,
  discard: (result: T) => Promise<void>,
): Promise<T> {
  if (!/^multipart\/form-data\s*;/i.test(request.headers['content-type'] ?? '')) {
    const message = 'Send the body as multipart/form-data: the fields, and the file after them.';
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', { message });
  }
  return new Promise<T>((resolve, reject) => {
    const fields = new Map<string, string>();
    let taken: Promise<T> | undefined;
    let isSettled = false;
    const parser = newParser(request, maxBytes);
    const settle = (act: () => void) => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(silence);
      act();
    };
    const fail = (error: unknown) => {
      settle(() => {
        request.unpipe(parser);
        parser.destroy();
        // What is still on its way is read and thrown away: the sender should get the answer.
        request.resume();
        const answer = () => {
          reject(error instanceof Error ? error : new AppError('MALFORMED_REQUEST'));
        };
        // The file may have come whole, and then be of no use: nothing of it stays.
        if (taken) taken.then(discard).then(answer, answer);
        else answer();
      });
    };
    const cutOff = () => {
      if (!request.complete) fail(new AppError('MALFORMED_REQUEST'));
    };
    const silence = setTimeout(() => {
      fail(new AppError('REQUEST_TIMEOUT'));
    }, SILENCE_MS);
    request.on('data', () => silence.refresh());
    request.once('close', cutOff).once('error', cutOff);
    parser.on('field', (name, value, { valueTruncated, nameTruncated }) => {
      if (taken) fail(refusal(name, 'beforeFile', 'Fields must come before the file'));
      else if (valueTruncated || nameTruncated) fail(refusal(name, 'maxLength', 'It is too long'));
      else if (fields.has(name)) fail(refusal(name, 'once', 'It is given twice'));
      else fields.set(name, value);
    });
    parser.on('file', (name, file, { filename }) => {
      if (name !== 'file' || taken) {
        file.resume();
        fail(refusal(name, 'file', 'There must be one file, named file'));
        return;
      }
      file.once('limit', () => {
        fail(new AppError('PAYLOAD_TOO_LARGE', { details: { limit: maxBytes } }));
      });
      taken = onFile(fields, file, filename || null);
      taken.catch(fail);
    });
    const tooMany = () => {
      fail(refusal('', 'maxParts', 'There are too many fields'));
    };
    parser.once('fieldsLimit', tooMany).once('partsLimit', tooMany).once('filesLimit', tooMany);
    parser.once('error', () => {
      fail(new AppError('MALFORMED_REQUEST'));
    });
    parser.once('close', () => {
      if (!taken) fail(refusal('file', 'isFile', 'file must be given'));
      else {
        taken.then((result) => {
          settle(() => {
            resolve(result);
          });
        }, fail);
      }
    });
    request.pipe(parser);
  });
}

function newParser(request: Request, maxBytes: number): busboy.Busboy {
  const limits = {
    fields: FIELDS_MAX,
    fieldNameSize: 100,
    fieldSize: FIELD_BYTES_MAX,
    files: 1,
    // The file is cut off where it reaches the limit: one more than there may be.
    fileSize: maxBytes + 1,
    parts: FIELDS_MAX + 2,
  };
  try {
    return busboy({ headers: request.headers, limits });
  } catch {
    throw new AppError('MALFORMED_REQUEST');
  }
}
