import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { decodeRefreshToken, encodeRefreshToken, hashSecret, newRefreshSecret } from './tokens';

const organizationId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/);

describe('Refresh tokens', () => {
  it('say where they belong, and nothing readable', () => {
    fc.assert(
      fc.property(organizationId, fc.uuid(), fc.uuid(), (organization, userId, sessionId) => {
        const token = {
          organizationId: organization,
          userId,
          sessionId,
          secret: newRefreshSecret(),
        };
        const text = encodeRefreshToken(token);
        expect(text).toMatch(/^[\w-]{43,}$/);
        expect(decodeRefreshToken(text)).toEqual(token);
      }),
    );
  });

  it('are not made of any other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        const decoded = decodeRefreshToken(text);
        // Whatever opens must at least be spelled as we spell it.
        if (decoded) expect(encodeRefreshToken(decoded)).toBe(text);
      }),
    );
  });

  it('are kept as the hash of 256 random bits', () => {
    const secret = newRefreshSecret();
    expect(secret).toHaveLength(32);
    expect(hashSecret(secret)).toHaveLength(32);
    expect(newRefreshSecret().equals(secret)).toBe(false);
    expect(decodeRefreshToken(randomUUID())).toBeUndefined();
  });
});
