/**
 * Reads DER (ITU-T X.690), as far as certificate requests need it: tags below 31 and definite lengths in their shortest form. Throws
 * TypeError for everything else, so that no other reader sees in the same bytes what this one does not.
 */

/** Tags, with the bit for constructed values where it is set. */
export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
}

/** Lengths of up to three bytes: 16 MiB. */
const MOST_LENGTH_BYTES = 3;

/** Returns the values that stand one after the other in `bytes`, all of them. */
export function derValues(bytes: Buffer): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    if ((tag & 0x1f) === 0x1f) throw new TypeError('a tag has more than one byte');
    const { length, start } = lengthAt(bytes, at + 1);
    if (start + length > bytes.length) throw new TypeError('a value is longer than what holds it');
    values.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return values;
}

/** Returns the values in `value`, which has this tag. `count`: how many there have to be. */
export function derContent(value: DerValue | undefined, tag: number, count?: number): DerValue[] {
  const values = derValues(derBytes(value, tag));
  if (count !== undefined && values.length !== count)
    throw new TypeError(`${values.length} values where ${count} are expected`);
  return values;
}

/** Returns the bytes of `value`, which has this tag. */
export function derBytes(value: DerValue | undefined, tag: number): Buffer {
  if (value?.tag !== tag) throw new TypeError(`tag ${value?.tag} where ${tag} is expected`);
  return value.content;
}

function lengthAt(bytes: Buffer, at: number): { readonly length: number; readonly start: number } {
  const first = bytes[at];
  if (first === undefined) throw new TypeError('a value has no length');
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > MOST_LENGTH_BYTES || at + 1 + count > bytes.length)
    throw new TypeError('a length is indefinite, too large or cut off');
  const length = bytes.readUIntBE(at + 1, count);
  const shortest = length < 0x80 ? 0 : Math.ceil(length.toString(16).length / 2);
  if (count !== shortest) throw new TypeError('a length is longer than it has to be');
  return { length, start: at + 1 + count };
}
