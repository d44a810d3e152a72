import { createSecretKey, randomBytes } from 'node:crypto';
import { seal, unseal } from './sealed';

describe('What is sealed', () => {
  const newKey = () => createSecretKey(randomBytes(32));
  const [key, other] = [newKey(), newKey()];
  const plain = Buffer.from('a secret of some length');

  it('opens with its key, wherever in the list that is', () => {
    const sealed = seal(key, plain);
    expect(unseal([key], sealed)).toEqual(plain);
    expect(unseal([other, key], sealed)).toEqual(plain);
    expect(unseal([key], seal(key, Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
  });

  it('does not open without it', () => {
    expect(unseal([other], seal(key, plain))).toBeUndefined();
    expect(unseal([], seal(key, plain))).toBeUndefined();
  });

  it('shows nothing, not even that two are the same', () => {
    const [first, second] = [seal(key, plain), seal(key, plain)];
    expect(first.equals(second)).toBe(false);
    expect(first.includes(plain.subarray(0, 6))).toBe(false);
  });

  it('does not open when a bit of it was changed or its end is missing', () => {
    const sealed = seal(key, plain);
    for (let index = 0; index < sealed.length; index++) {
      const altered = Buffer.from(sealed);
      altered.writeUInt8(altered.readUInt8(index) ^ 1, index);
      expect(unseal([key], altered)).toBeUndefined();
      expect(unseal([key], sealed.subarray(0, index))).toBeUndefined();
    }
  });
});
