import fc from 'fast-check';
import type { RecordData, StoredRecord } from '../record';
import { copyAgrees, fromCopy, toCopy } from './record-copy';

const time = fc.date({
  min: new Date('2000-01-01'),
  max: new Date('2100-01-01'),
  noInvalidDate: true,
});
const record: fc.Arbitrary<StoredRecord> = fc.record({
  organizationId: fc.uuid(),
  object: fc.constantFrom('contacts', 'deals'),
  id: fc.uuid(),
  state: fc.constant('live'),
  version: fc.integer({ min: 1, max: 1000 }),
  operationId: fc.uuid(),
  data: fc.record({
    owner_id: fc.option(fc.uuid()),
    tags: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
    custom: fc.dictionary(fc.string(), fc.jsonValue(), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    external_ids: fc.constant({}),
    amount: fc.integer(),
  }) as fc.Arbitrary<RecordData>,
  createdAt: time,
  createdBy: fc.uuid(),
  updatedAt: time,
  updatedBy: fc.uuid(),
  deletedAt: fc.constant(null),
});

/** As the database gives it back. */
function stored(one: StoredRecord): StoredRecord {
  return { ...one, data: JSON.parse(JSON.stringify(one.data)) as RecordData };
}

describe('A copy of a record', () => {
  it('is the record, or not kept', () => {
    fc.assert(
      fc.property(record, (one) => {
        const text = toCopy(one);
        if (text !== null) expect(fromCopy(one, one.version, text)).toEqual(stored(one));
      }),
    );
  });

  it('is not kept where it is long', () => {
    fc.assert(
      fc.property(record, fc.nat({ max: 4000 }), (one, length) => {
        const text = toCopy({ ...one, data: { ...one.data, note: 'x'.repeat(length) } });
        expect(Buffer.byteLength(text ?? '')).toBeLessThanOrEqual(2000);
        if (length > 2000) expect(text).toBeNull();
      }),
    );
  });

  it('is nothing to a row of another version', () => {
    fc.assert(
      fc.property(record, fc.integer({ min: 1, max: 1000 }), (one, version) => {
        fc.pre(version !== one.version);
        const text = toCopy(one);
        if (text !== null) expect(fromCopy(one, version, text)).toBeUndefined();
      }),
    );
  });
});

describe('copyAgrees', () => {
  const one: StoredRecord = {
    organizationId: 'acme',
    object: 'contacts',
    id: '01970000-0000-7000-8000-000000000001',
    state: 'live',
    version: 2,
    operationId: '01970000-0000-7000-8000-000000000002',
    data: { owner_id: null, tags: ['vip'], custom: {}, external_ids: {} },
    createdAt: new Date(1),
    createdBy: 'someone',
    updatedAt: new Date(2),
    updatedBy: 'someone',
    deletedAt: null,
  };
  const copy = toCopy(one);

  it.each([
    ['the same', one, true],
    ['another mark: that of a fence', { ...one, operationId: 'fence' }, true],
    ['another version, which is not shown', { ...one, version: 1, updatedBy: 'other' }, true],
    ['other data', { ...one, data: { ...one.data, tags: [] } }, false],
    ['another time', { ...one, updatedAt: new Date(3) }, false],
  ])('%s', (_name, other, agrees) => {
    expect(copyAgrees(toCopy(other), copy)).toBe(agrees);
  });

  it('a withdrawn copy, and a record too long for one, say nothing', () => {
    expect(copyAgrees(null, copy)).toBe(true);
    expect(copyAgrees(copy, null)).toBe(true);
  });
});
