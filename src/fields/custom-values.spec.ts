import fc from 'fast-check';
import { customSchema, filterKey, indexKeys, missingRequired, sortKey } from './custom-values';
import { type Field, FIELD_KINDS, type FieldKind } from './field';

function field(kind: FieldKind, change: Partial<Field> = {}): Field {
  return {
    organizationId: 'org_123',
    object: 'contacts',
    key: kind,
    label: kind,
    kind,
    required: false,
    unique: false,
    indexed: false,
    options: kind === 'select' || kind === 'multi_select' ? ['gold', 'silver', 'Grün'] : [],
    referenceTo: kind === 'reference' ? 'companies' : null,
    archived: false,
    version: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
    ...change,
  };
}

const ID = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';

/** For each kind: what is sent, what is kept, and what is no value. */
const VALUES: Record<FieldKind, { sent: unknown; kept: unknown; bad: unknown[] }> = {
  text: { sent: ' Jose\u0301 ', kept: 'José', bad: ['', ' ', 'a\u0000', 7, 'x'.repeat(10_001)] },
  number: { sent: 42.5, kept: 42.5, bad: ['42', 1e300, NaN] },
  money: {
    sent: { amount: 1250, currency: 'EUR' },
    kept: { amount: 1250, currency: 'EUR' },
    bad: [12, { amount: 1.5, currency: 'EUR' }, { amount: 1 }, { amount: 1, currency: 'XXZ' }],
  },
  date: { sent: '2026-03-31', kept: '2026-03-31', bad: ['2026-02-30', '31.3.2026'] },
  datetime: {
    sent: '2026-03-31T10:00:00+02:00',
    kept: '2026-03-31T08:00:00.000Z',
    bad: ['2026-03-31', '9999-12-31T23:59:59-01:00', '0000-01-01T00:00:00+01:00'],
  },
  boolean: { sent: false, kept: false, bad: ['false', 0] },
  select: { sent: 'Gru\u0308n', kept: 'Grün', bad: ['bronze', '', ['gold']] },
  multi_select: {
    sent: ['silver', 'gold'],
    kept: ['silver', 'gold'],
    bad: ['gold', ['bronze'], ['gold', 'gold']],
  },
  url: { sent: 'https://example.com/a', kept: 'https://example.com/a', bad: ['javascript:x'] },
  email: { sent: ' Bob@Example.com', kept: 'bob@example.com', bad: ['bob'] },
  phone: { sent: '+49 30 901820', kept: '+4930901820', bad: ['30 901820'] },
  reference: { sent: ID.toUpperCase(), kept: ID, bad: ['1', `${ID}0`] },
};

describe('customSchema', () => {
  it.each(FIELD_KINDS)('takes a %s in its one spelling, and nothing else', (kind) => {
    const { sent, kept, bad } = VALUES[kind];
    for (const mode of ['create', 'patch'] as const) {
      const schema = customSchema([field(kind)], mode);
      expect(schema.parse({ [kind]: sent })).toEqual({ [kind]: kept });
      expect(schema.parse({ [kind]: null })).toEqual({ [kind]: null });
      expect(schema.parse({})).toEqual({});
      for (const value of bad) {
        const faults = schema.safeParse({ [kind]: value }).error?.issues;
        expect([value, faults?.[0]?.path[0]]).toEqual([value, kind]);
      }
    }
  });

  it.each(FIELD_KINDS)('wants a required %s in a new record, and lets nobody clear it', (kind) => {
    const required = [field(kind, { required: true })];
    const create = customSchema(required, 'create');
    const patch = customSchema(required, 'patch');
    const value = { [kind]: VALUES[kind].sent };
    expect(create.safeParse(value).success).toBe(true);
    expect(patch.safeParse(value).success).toBe(true);
    expect(create.safeParse({}).success).toBe(false);
    expect(patch.safeParse({}).success).toBe(true);
    expect(create.safeParse({ [kind]: null }).success).toBe(false);
    expect(patch.safeParse({ [kind]: null }).success).toBe(false);
  });

  it('takes no empty choice for a required one', () => {
    const optional = customSchema([field('multi_select')], 'create');
    const required = customSchema([field('multi_select', { required: true })], 'create');
    expect(optional.safeParse({ multi_select: [] }).success).toBe(true);
    expect(required.safeParse({ multi_select: [] }).success).toBe(false);
  });

  it('knows neither archived nor unknown keys', () => {
    const fields = [field('text'), field('number', { archived: true, required: true })];
    const { error } = customSchema(fields, 'create').safeParse({ number: 1, other: 2, text: 'x' });
    expect(error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['number', 'other'] }]);
  });

  it('follows the fields, not the first ones it has seen', () => {
    const before = [field('text')];
    expect(customSchema(before, 'create')).toBe(customSchema(before, 'create'));
    const after = [field('text', { required: true })];
    expect(customSchema(before, 'create').safeParse({}).success).toBe(true);
    expect(customSchema(after, 'create').safeParse({}).success).toBe(false);
  });
});

describe('missingRequired', () => {
  it('names the required fields in use without a value', () => {
    const fields = [
      field('text', { required: true }),
      field('number', { required: true }),
      field('boolean', { required: true }),
      field('multi_select', { required: true }),
      field('date', { required: true }),
      field('url', { required: true, archived: true }),
      field('email'),
    ];
    const values = { text: null, number: 0, boolean: false, multi_select: [], url: null };
    expect(missingRequired(fields, values)).toEqual(['text', 'multi_select', 'date']);
  });
});

describe('indexKeys and filterKey', () => {
  it.each([
    ['text', 'Ünïcode Ⅳ', ['unicode iv']],
    ['text', 'x'.repeat(200), ['x'.repeat(100)]],
    ['text', '\u0301', ['\u0301']],
    ['number', -0, ['0']],
    ['number', 1e-7, ['0.0000001']],
    ['number', -1.25e-9, ['-0.00000000125']],
    ['number', Number.MAX_SAFE_INTEGER, ['9007199254740991']],
    ['boolean', false, ['false']],
    ['multi_select', ['gold', 'Grün'], ['gold', 'Grün']],
    ['multi_select', [], []],
    ['select', 'Grün', ['Grün']],
    ['money', { amount: 1, currency: 'EUR' }, []],
    ['date', null, []],
  ] as const)('a %s %j is found under %j', (kind, value, keys) => {
    expect(indexKeys(field(kind), value)).toEqual(keys);
  });

  it.each([
    ['text', ' ÜNICODE ', 'unicode'],
    ['number', '007.50', '7.5'],
    ['number', '-0', '0'],
    ['boolean', 'true', 'true'],
    ['date', '2026-03-31', '2026-03-31'],
    ['datetime', '2026-03-31T10:00:00+02:00', '2026-03-31T08:00:00.000Z'],
    ['select', 'gold', 'gold'],
    ['multi_select', 'gold', 'gold'],
    ['email', 'Bob@Example.com', 'bob@example.com'],
    ['phone', '+49 30 901820', '+4930901820'],
    ['reference', ID.toUpperCase(), ID],
  ] as const)('a %s is looked for by %j as %j', (kind, parameter, key) => {
    expect(filterKey(field(kind), parameter)).toBe(key);
  });

  it.each([
    ['text', ' '],
    ['number', '1e3'],
    ['number', '0x10'],
    ['number', ' 1'],
    ['number', ''],
    ['number', '9007199254740993'],
    ['boolean', 'TRUE'],
    ['date', 'today'],
    ['datetime', '2026-03-31'],
    ['select', 'bronze'],
    ['multi_select', 'gold,silver'],
    ['money', '12'],
    ['reference', '1'],
    ['url', 'example.com'],
  ] as const)('no %s can be %j', (kind, parameter) => {
    expect(filterKey(field(kind), parameter)).toBeUndefined();
  });

  it('finds every number by its own digits', () => {
    const numbers = field('number');
    const limits = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true };
    fc.assert(
      fc.property(fc.double(limits), (value) => {
        const [key = ''] = indexKeys(numbers, value);
        expect(key).toMatch(/^-?\d+(\.\d+)?$/);
        expect(filterKey(numbers, key)).toBe(key);
        expect(Number(key)).toBe(value === 0 ? 0 : value);
      }),
    );
  });

  it('finds every text that can be written, by the text itself', () => {
    const texts = field('text');
    const schema = customSchema([texts], 'create');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (value) => {
        const parsed = schema.safeParse({ text: value });
        fc.pre(parsed.success);
        const [key = ''] = indexKeys(texts, parsed.data.text);
        expect(key).not.toBe('');
        expect(key.isWellFormed()).toBe(true);
        expect(Array.from(key).length).toBeLessThanOrEqual(100);
        expect(filterKey(texts, value)).toBe(key);
      }),
    );
  });
});

describe('sortKey', () => {
  const compare = (kind: FieldKind, one: unknown, other: unknown) =>
    Math.sign(
      Buffer.compare(
        Buffer.from(sortKey(field(kind), one) ?? ''),
        Buffer.from(sortKey(field(kind), other) ?? ''),
      ),
    );

  it('orders numbers by size', () => {
    const numbers = fc.double({ noNaN: true });
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        expect(compare('number', one, other)).toBe(one < other ? -1 : one > other ? 1 : 0);
      }),
    );
    const close = [-1e9, -2, -1.5, -Number.MIN_VALUE, 0, Number.MIN_VALUE, 1, 1.5, 2, 10, 1e9];
    for (const [index, value] of close.slice(1).entries()) {
      expect([value, compare('number', close[index], value)]).toEqual([value, -1]);
    }
    expect(compare('number', -0, 0)).toBe(0);
  });

  it('orders texts by the alphabet, whatever their case and accents', () => {
    const plain = fc.string({
      unit: fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyz 0123456789')),
      maxLength: 100,
    });
    const dressed = (value: string) =>
      Array.from(value)
        .map((letter, index) => (index % 2 === 0 ? letter.toUpperCase() : letter))
        .join('')
        .replaceAll('A', 'Ä')
        .replaceAll('e', 'e\u0301');
    fc.assert(
      fc.property(plain, plain, (one, other) => {
        const expected = one < other ? -1 : one > other ? 1 : 0;
        expect(compare('text', dressed(one), other)).toBe(expected);
        expect(compare('select', one, dressed(other))).toBe(expected);
      }),
    );
  });

  it('orders texts of all alphabets as UTF-8 does', () => {
    const unit = fc.constantFrom('a', 'ω', 'я', '中', '\ufffd', '\u{1f600}', '\u{20000}');
    const texts = fc.array(unit, { maxLength: 120 });
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        const points = (all: string[]) =>
          all.slice(0, 100).map((letter) => letter.codePointAt(0) ?? 0);
        const [left, right] = [points(one), points(other)];
        const index = left.findIndex((point, position) => point !== right[position]);
        const at = index === -1 ? left.length : index;
        const expected = Math.sign((left[at] ?? -1) - (right[at] ?? -1));
        expect(compare('text', one.join(''), other.join(''))).toBe(expected);
      }),
    );
  });

  it('orders dates by time, and knows what has no order', () => {
    expect(compare('date', '2025-12-31', '2026-01-01')).toBe(-1);
    expect(compare('datetime', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z')).toBe(-1);
    expect(compare('boolean', false, true)).toBe(-1);
    expect(sortKey(field('text'), null)).toBeNull();
    expect(sortKey(field('number'), undefined)).toBeNull();
    expect(sortKey(field('money'), { amount: 1, currency: 'EUR' })).toBeNull();
    expect(sortKey(field('multi_select'), ['gold'])).toBeNull();
  });
});
