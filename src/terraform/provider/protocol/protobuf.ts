/**
 * Protocol Buffers' wire format, as far as the plugin protocol needs it: a message is a row of numbered fields, and each is an integer
 * or bytes (texts and messages within). https://protobuf.dev/programming-guides/encoding
 */

/** By number, in the order in which they came. */
export type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

const INTEGER = 0;
const EIGHT_BYTES = 1;
const BYTES = 2;
const FOUR_BYTES = 5;
/** Of an integer: seven bits each, and no more than a 64 bit integer has. */
const MOST_BYTES = 10;

/** Encodes a text, bytes, or a message that is encoded already. */
export function bytesField(number: number, value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([integer(number * 8 + BYTES), integer(bytes.length), bytes]);
}

/** Encodes an integer that is not negative. */
export function integerField(number: number, value: number): Buffer {
  return Buffer.concat([integer(number * 8 + INTEGER), integer(value)]);
}

/** @throws Error for what is no message, or only a part of one */
export function fieldsOf(message: Buffer): Fields {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const readInteger = (): number => {
    let value = 0;
    for (let index = 0; index < MOST_BYTES; index++) {
      const byte = message[at++];
      if (byte === undefined) throw malformed();
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value;
    }
    throw malformed();
  };
  const readBytes = (length: number): Buffer => {
    if (at + length > message.length) throw malformed();
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = readInteger();
    const number = Math.floor(tag / 8);
    const values = fields.get(number) ?? [];
    fields.set(number, values);
    const type = tag % 8;
    if (type === INTEGER) values.push(readInteger());
    else if (type === BYTES) values.push(readBytes(readInteger()));
    else if (type === EIGHT_BYTES) values.push(readBytes(8));
    else if (type === FOUR_BYTES) values.push(readBytes(4));
    else throw malformed();
  }
  return fields;
}

/** Returns the bytes of a field that is there at most once; undefined: it is not. */
export function bytesIn(fields: Fields, number: number): Buffer | undefined {
  const value = fields.get(number)?.at(-1);
  if (typeof value === 'number') throw malformed();
  return value;
}

function integer(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function malformed(): Error {
  return new Error('this is no Protocol Buffers message');
}
