/** Generates characters of all of Unicode. */

import fc from 'fast-check';

/** First code point, and number of the code points, that only stand for halves of others in UTF-16. */
const SURROGATES = { first: 0xd800, count: 0x800 };

/**
 * Generates each character of Unicode, as the unit `binary` of `fc.string` does. That one lists all of them when it is made, to find those
 * of its own dangerous strings (0.8 s, 130 MB); this one computes the index of a character.
 */
export const anyCharacter: fc.Arbitrary<string> = fc.nat(0x10ffff - SURROGATES.count).map(
  (index) => String.fromCodePoint(index < SURROGATES.first ? index : index + SURROGATES.count),
  (text) => {
    const code = typeof text === 'string' ? text.codePointAt(0) : undefined;
    if (code === undefined || String.fromCodePoint(code) !== text) throw new Error('not one character');
    if (code < SURROGATES.first) return code;
    if (code < SURROGATES.first + SURROGATES.count) throw new Error('half a character');
    return code - SURROGATES.count;
  },
);
