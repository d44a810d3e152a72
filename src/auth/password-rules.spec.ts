import fc from 'fast-check';
import { isHashable, passwordFault } from './password-rules';

describe('Password rules', () => {
  it('let through what bcrypt reads to its end, and only that', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (password) => {
        const bytes = Buffer.byteLength(password.normalize('NFC'));
        const whole = bytes <= 72 && !password.includes('\0') && password.isWellFormed();
        expect(isHashable(password)).toBe(whole);
      }),
    );
  });

  it('never take time for a megabyte', () => {
    expect(passwordFault('\u0390'.repeat(500_000))).toMatch(/72/);
  });

  it('demand no kinds of characters', () => {
    expect(passwordFault('justlowercaseletters')).toBeUndefined();
    expect(passwordFault('пароль-из-букв')).toBeUndefined();
  });
});
