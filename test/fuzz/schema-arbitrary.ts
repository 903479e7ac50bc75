/** Generates values of a schema. Rules between fields, which no schema describes, are not respected. */

import fc from 'fast-check';
import type { OpenAPI } from '../../src/api/schema/structural-schema.ts';

/** How often a field is given that need not be. */
const GIVEN = { given: 1, absent: 3 };

export function schemaArbitrary(schema: OpenAPI): fc.Arbitrary<unknown> {
  if (schema['x-kubernetes-int-or-string']) return fc.oneof(fc.nat(10), fc.constantFrom('0%', '25%', '100%'));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return textArbitrary(schema);
    case 'integer':
      return fc.integer(range(schema));
    case 'number':
      return fc.oneof(fc.integer(range(schema)), fc.double({ ...range(schema), noNaN: true }));
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(schemaArbitrary(schema.items ?? {}), {
        minLength: Number(schema['minItems'] ?? 0),
        maxLength: Math.min(3, Number(schema['maxItems'] ?? 3)),
      });
    default:
      return objectArbitrary(schema);
  }
}

function objectArbitrary({
  properties,
  required = [],
  additionalProperties,
}: OpenAPI): fc.Arbitrary<unknown> {
  if (!properties) {
    const value = additionalProperties ? schemaArbitrary(additionalProperties) : fc.constant('x');
    return fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value, { maxKeys: 3 });
  }
  const fields = Object.entries(properties).map(([name, field]) => {
    const value = schemaArbitrary(field).map((given): [string, unknown][] => [[name, given]]);
    if (required.includes(name)) return value;
    const absent = fc.constant<[string, unknown][]>([]);
    return fc.oneof({ weight: GIVEN.absent, arbitrary: absent }, { weight: GIVEN.given, arbitrary: value });
  });
  return fc.tuple(...fields).map((given) => Object.fromEntries(given.flat()));
}

function textArbitrary(schema: OpenAPI): fc.Arbitrary<string> {
  const { pattern, maxLength = 64 } = schema;
  const rules = JSON.stringify(schema['x-kubernetes-validations'] ?? []);
  if (rules.includes('isIP(')) return fc.oneof(fc.ipV4(), fc.ipV6());
  if (rules.includes('isCIDR(')) return fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, bits]) => `${ip}/${bits}`);
  if (schema['format'] === 'date-time') return fc.constant('2026-01-01T00:00:00Z');
  if (!pattern) return fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(maxLength, 64) });
  return fc.stringMatching(new RegExp(pattern)).filter((text) => text.length <= maxLength);
}

function range({ minimum = 0, maximum = 1_000, exclusiveMinimum }: OpenAPI) {
  return { min: Math.ceil(minimum) + (exclusiveMinimum ? 1 : 0), max: Math.floor(maximum) };
}
