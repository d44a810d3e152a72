import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { decodeCursor, encodeCursor } from './cursor';

const key = createSecretKey(randomBytes(32));
const position = fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 });

describe('Cursors', () => {
  it('open for the key and scope they were made for', () => {
    fc.assert(
      fc.property(fc.string(), position, (scope, given) => {
        expect(decodeCursor(key, scope, encodeCursor(key, scope, given))).toEqual(given);
      }),
    );
  });

  it('open for no other scope and no other key', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), position, (scope, other, given) => {
        fc.pre(scope !== other);
        const cursor = encodeCursor(key, scope, given);
        expect(() => decodeCursor(key, other, cursor)).toThrow('cursor is not valid');
        expect(() => decodeCursor(createSecretKey(randomBytes(32)), scope, cursor)).toThrow(
          'cursor is not valid',
        );
      }),
    );
  });

  it('do not open when a single character was changed, cut or added', () => {
    fc.assert(
      fc.property(
        position,
        fc.nat(),
        fc.constantFrom(...Array.from('AZaz09-_=+/ ')),
        (given, at, character) => {
          const cursor = encodeCursor(key, 's', given);
          const index = at % cursor.length;
          const altered = cursor.slice(0, index) + character + cursor.slice(index + 1);
          for (const text of [altered, cursor.slice(0, index), cursor + character]) {
            if (text !== cursor) expect(() => decodeCursor(key, 's', text)).toThrow();
          }
        },
      ),
    );
  });

  it('refuse any text with one error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(() => decodeCursor(key, 's', text)).toThrow('cursor is not valid');
      }),
    );
  });
});
