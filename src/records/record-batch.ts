import { z } from 'zod';
import { AppError, errorEnvelope, validationFailed } from '../common/errors';
import { inParallel } from '../common/in-parallel';
import type { Principal } from '../common/principal';
import { id, text } from '../fields/kinds';
import type { ObjectService } from './object.service';
import type { StoredRecord } from './record';
import { SOURCE, toFaults } from './record-body';

export const BATCH_MAX = 500;
/** Items of one batch that are worked on at a time: the batch of one must not be the stop of others. */
const AT_ONCE = 8;

const data = z.record(z.string(), z.unknown()).meta({
  description: 'The record, or the merge patch: as in the request for a single one.',
  example: {},
});
const version = z
  .int()
  .min(1)
  .optional()
  .meta({ description: 'Only if this is still its version (as If-Match).', example: 1 });

const ITEMS = {
  create: z.strictObject({ data }),
  update: z.strictObject({ id: id(), version, data }),
  upsert: z.strictObject({ source: z.string().regex(SOURCE), key: text(200), data }),
  delete: z.strictObject({ id: id(), version }),
};

/** The body of a batch, whose items are looked at one by one. */
export const batchSchema = z.strictObject({
  operation: z.enum(['create', 'update', 'upsert', 'delete']).meta({
    description: 'What to do with every item.',
    example: 'create',
  }),
  items: z
    .array(z.unknown())
    .min(1)
    .max(BATCH_MAX)
    .meta({
      description:
        'create: `{data}`; update: `{id, version?, data}`; upsert: `{source, key, data}` by external ' +
        'id; delete: `{id, version?}`.',
      example: [{ data: {} }],
    }),
});

/** What became of one item: its status as that of a single request, and its record or its error. */
export type BatchResult =
  | { status: number; record?: StoredRecord }
  | { status: number; error: { code: string; message: string; details: unknown } };

/**
 * Does the items of a batch, each for itself: one that fails does not hinder the others.
 * @throws AppError VALIDATION_FAILED where the batch itself is not one
 */
export async function runBatch(
  caller: Principal,
  service: ObjectService,
  body: unknown,
): Promise<BatchResult[]> {
  const batch = batchSchema.safeParse(body);
  if (!batch.success) throw validationFailed(toFaults(batch.error));
  const { operation, items } = batch.data;
  const results: BatchResult[] = [];
  await inParallel(items.entries(), AT_ONCE, async ([index, item]) => {
    const name = `:${String(index)}`;
    results[index] = await doItem(caller, service, operation, item, name).catch((error: unknown) =>
      refused(error, service),
    );
  });
  return results;
}

function refused(error: unknown, service: ObjectService): BatchResult {
  const known = error instanceof AppError ? error : new AppError('INTERNAL_ERROR');
  if (known.status >= 500) service.report(error);
  const { code, message, details } = errorEnvelope(known);
  return { status: known.status, error: { code, message, details } };
}

async function doItem(
  caller: Principal,
  service: ObjectService,
  operation: keyof typeof ITEMS,
  item: unknown,
  name: string,
): Promise<BatchResult> {
  const parse = <T>(schema: z.ZodType<T>): T => {
    const result = schema.safeParse(item);
    if (!result.success) throw validationFailed(toFaults(result.error));
    return result.data;
  };
  const tag = (given?: number) => (given === undefined ? undefined : `"${String(given)}"`);
  switch (operation) {
    case 'create':
      return {
        status: 201,
        record: await service.create(caller, parse(ITEMS.create).data, name),
      };
    case 'update': {
      const update = parse(ITEMS.update);
      const ifMatch = tag(update.version);
      return {
        status: 200,
        record: await service.patch(caller, update.id, update.data, ifMatch, name),
      };
    }
    case 'upsert': {
      const { source, key, data: body } = parse(ITEMS.upsert);
      const put = await service.putExternal(caller, source, key, body, undefined, name);
      return { status: put.created ? 201 : 200, record: put.record };
    }
    case 'delete': {
      const removal = parse(ITEMS.delete);
      await service.remove(caller, removal.id, tag(removal.version), name);
      return { status: 204 };
    }
  }
}
