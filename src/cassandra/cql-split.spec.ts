import fc from 'fast-check';
import { splitCql } from './cql-split';

describe('splitCql', () => {
  it('drops comments of all kinds, and keeps what only looks like one', () => {
    const text = `-- a; b
      CREATE TABLE a (k int PRIMARY KEY); // c; d
      /* e; f
      */ INSERT INTO a (k) VALUES ('-- it''s; /* text */'); SELECT $$ x; y $$;
      ALTER TABLE a ADD "semi;colon" int`;
    expect(splitCql(text)).toEqual([
      'CREATE TABLE a (k int PRIMARY KEY)',
      "INSERT INTO a (k) VALUES ('-- it''s; /* text */')",
      'SELECT $$ x; y $$',
      'ALTER TABLE a ADD "semi;colon" int',
    ]);
  });

  it('has nothing to say about nothing', () => {
    expect(splitCql(' \n-- only words\n; ;/* and more */')).toEqual([]);
  });

  it('finds the statements again, whatever stands in their strings and between them', () => {
    const literal = fc.string().map((text) => `'${text.replaceAll("'", "''")}'`);
    const statement = fc
      .array(fc.oneof(literal, fc.constantFrom('SELECT', 'a', '"b;c"', '42')), { minLength: 1 })
      .map((words) => words.join(' '));
    const noise = fc.constantFrom('', '\n', '-- x;\n', '/* y; */', ' // z;\n');
    fc.assert(
      fc.property(fc.array(fc.tuple(noise, statement)), (parts) => {
        const text = parts.map(([before, one]) => `${before}${one};`).join('\n');
        expect(splitCql(text)).toEqual(parts.map(([, one]) => one));
      }),
    );
  });
});
