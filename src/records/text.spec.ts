import fc from 'fast-check';
import { fold } from './text';

describe('fold', () => {
  it.each([
    ['  José\tda  SILVA ', 'jose da silva'],
    ['Straße', 'strasse'],
    ['ﬁrst', 'first'],
    ['O\u2019Neil & Sons', 'o\u2019neil & sons'],
    ['', ''],
  ])('%j is %j', (text, folded) => {
    expect(fold(text)).toBe(folded);
  });

  it('does with plain text what it does with the same text beside an accent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
        expect(fold(`é ${text}`)).toBe(`e ${fold(text)}`.trim());
      }),
    );
  });

  it('is done once: folded text stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
        expect(fold(fold(text))).toBe(fold(text));
      }),
    );
  });
});
