/** Verifies the encoding of protobuf messages. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  bytesField,
  bytesIn,
  fieldsOf,
  integerField,
} from '../../../../src/terraform/provider/protocol/protobuf.ts';

it('encodes as the specification shows: field 1 with 150, field 2 with "testing"', () => {
  expect(integerField(1, 150).toString('hex')).toBe('089601');
  expect(bytesField(2, 'testing').toString('hex')).toBe('120774657374696e67');
});

it('reads what it has written, fields of any number and length', () => {
  const field = fc.record({
    number: fc.integer({ min: 1, max: 2 ** 29 - 1 }),
    value: fc.oneof(fc.maxSafeNat(), fc.uint8Array({ maxLength: 300 }).map(Buffer.from)),
  });
  fc.assert(
    fc.property(fc.uniqueArray(field, { selector: ({ number }) => number }), (fields) => {
      const encoded = fields.map(({ number, value }) =>
        typeof value === 'number' ? integerField(number, value) : bytesField(number, value),
      );
      const expected = new Map(fields.map(({ number, value }) => [number, [value]]));
      expect(fieldsOf(Buffer.concat(encoded))).toEqual(expected);
    }),
  );
});

it('skips fields of a fixed length', () => {
  const fields = fieldsOf(
    Buffer.concat([Buffer.from('0901020304050607080d01020304', 'hex'), bytesField(3, 'x')]),
  );
  expect(bytesIn(fields, 3)?.toString()).toBe('x');
});

it('refuses every part of a message, and never reads beyond it', () => {
  const whole = Buffer.concat([bytesField(1, 'some text'), integerField(2, 300)]);
  for (let end = 1; end < whole.length; end++) {
    if (end === bytesField(1, 'some text').length) continue;
    expect(() => fieldsOf(whole.subarray(0, end)), String(end)).toThrow('no Protocol Buffers message');
  }
  expect(() => fieldsOf(Buffer.from('ffffffffffffffffffffff01', 'hex'))).toThrow();
  expect(() => fieldsOf(Buffer.from('0b', 'hex'))).toThrow();
});
