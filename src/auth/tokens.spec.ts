import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { hashSecret, newSecret } from '../common/opaque-token';
import { decodeRefreshToken, encodeRefreshToken, nextRefreshSecret } from './tokens';

const key = createSecretKey(randomBytes(32));
const other = createSecretKey(randomBytes(32));
const token = fc.record({
  organizationId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/),
  userId: fc.uuid(),
  sessionId: fc.uuid(),
  secret: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
});

describe('Refresh tokens', () => {
  it('C8: open with any of the keys, and are nothing readable', () => {
    fc.assert(
      fc.property(token, (given) => {
        const text = encodeRefreshToken(key, given);
        expect(text).toMatch(/^[\w-]{43,}$/);
        expect(decodeRefreshToken([other, key], text)).toEqual(given);
        expect(decodeRefreshToken([other], text)).toBeUndefined();
      }),
    );
  });

  it('do not open when a character was changed', () => {
    fc.assert(
      fc.property(
        token,
        fc.nat(),
        fc.constantFrom('A', 'z', '0', '_', '='),
        (given, at, character) => {
          const text = encodeRefreshToken(key, given);
          const index = at % text.length;
          const altered = text.slice(0, index) + character + text.slice(index + 1);
          fc.pre(altered !== text);
          expect(decodeRefreshToken([key], altered)).toBeUndefined();
        },
      ),
    );
  });

  it('are made of no other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        expect(decodeRefreshToken([key], text)).toBeUndefined();
      }),
    );
  });

  it('follow one another in one way only', () => {
    const secret = newSecret();
    expect(nextRefreshSecret(key, secret)).toEqual(nextRefreshSecret(key, secret));
    expect(nextRefreshSecret(key, secret)).not.toEqual(nextRefreshSecret(other, secret));
    expect(nextRefreshSecret(key, secret)).toHaveLength(32);
    expect(hashSecret(secret)).not.toEqual(hashSecret(nextRefreshSecret(key, secret)));
  });
});
