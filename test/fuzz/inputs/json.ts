/** Generates JSON and YAML documents with an unusual value in one or two places, and fragments of documents. */

import fc from 'fast-check';
import { stringify } from 'yaml';
import { HOSTILE_TEXTS, hostileText } from '../hostile.ts';

/** Stands in a document where a raw text comes, which no writer would write. */
const MARK = '@@odd@@';

const WIDE = 20_000;

/** JSON values as raw text. */
const RAW: readonly string[] = [
  '1e999',
  '-1e999',
  '1e-999',
  '-0',
  '-1',
  '0.1',
  '9007199254740993',
  '9'.repeat(10_000),
  'NaN',
  'null',
  'true',
  '{}',
  '[]',
  '[null]',
  '{"length": 2147483648}',
  '{"toString": 1, "valueOf": 1, "toJSON": 1, "then": 1}',
  '{"__proto__": {"polluted": true, "name": "x", "state": "running"}}',
  '{"constructor": {"prototype": {"polluted": true}}}',
  '{"a": 1, "a": 2, "a": {"a": 3}}',
  '"\\u0000\\u001b[31m\\u202e\\ud800"',
  '"2026-11-29T00:00:00Z"',
  '"+275760-09-13T00:00:01Z"',
  `[${'0,'.repeat(WIDE)}0]`,
  `[${'{},'.repeat(WIDE)}{}]`,
  `{${Array.from({ length: WIDE }, (_, i) => `"k${i}": 0`).join(',')}}`,
  `${'['.repeat(WIDE)}${']'.repeat(WIDE)}`,
  `${'{"a":'.repeat(WIDE)}1${'}'.repeat(WIDE)}`,
  `${'['.repeat(60)}${']'.repeat(60)}`,
  `"${'a'.repeat(200_000)}"`,
];

const PROTOTYPE_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'length',
];

const oddValue = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...RAW) },
  { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_TEXTS).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)) },
);

interface Change {
  readonly place: number;
  /** A further key beside it instead of another value. */
  readonly key: string | undefined;
  readonly value: string;
}

const change: fc.Arbitrary<Change> = fc.record({
  place: fc.nat(),
  key: fc.option(fc.oneof(fc.constantFrom(...PROTOTYPE_KEYS), fc.string({ maxLength: 5 })), {
    nil: undefined,
  }),
  value: oddValue,
});

/** The text of `document` with one to three odd values in it. */
function changedJson(document: unknown): fc.Arbitrary<string> {
  return fc
    .array(change, { minLength: 1, maxLength: 3 })
    .map((changes) => changes.reduce(withChange, JSON.stringify(document)));
}

/** Returns the text as it is where it is no JSON any more, or too deep to be written again. */
function withChange(text: string, { place, key, value }: Change): string {
  try {
    const parsed: unknown = JSON.parse(text);
    const count = countPlaces(parsed);
    let at = 0;
    const replaced = JSON.stringify(parsed, (name, child) => {
      at += 1;
      if (at - 1 !== place % count) return child;
      const isMapping = typeof child === 'object' && child !== null && !Array.isArray(child);
      return key === undefined || !isMapping || name === MARK ? MARK : { [`${MARK}key`]: MARK, ...child };
    });
    return replaced.replace(`"${MARK}key"`, () => JSON.stringify(key)).replace(`"${MARK}"`, () => value);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return text;
    throw error;
  }
}

function countPlaces(value: unknown): number {
  let count = 0;
  JSON.stringify(value, (_, child) => {
    count += 1;
    return child;
  });
  return count;
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The text cut off, with bytes in between, twice, or behind a mark of its encoding. */
function broken(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(
      text,
      hostileText,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom('cut', 'in', 'twice', 'bom'),
    )
    .map(([whole, hostile, at, how]) => {
      const from = Math.floor(at * whole.length);
      if (how === 'cut') return whole.slice(0, from);
      if (how === 'twice') return whole + whole;
      return how === 'bom' ? `\ufeff${whole}` : whole.slice(0, from) + hostile + whole.slice(from);
    });
}

/** Some of what is made is as it should be. */
export function jsonText(...documents: readonly unknown[]): fc.Arbitrary<string> {
  const valid = fc.constantFrom(...documents.map((one) => JSON.stringify(one)));
  const changed = fc.oneof(...documents.map(changedJson));
  return fc.oneof(
    { weight: 1, arbitrary: valid },
    { weight: 8, arbitrary: changed },
    { weight: 2, arbitrary: broken(fc.oneof(valid, changed)) },
  );
}

const YAML_PIECES = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ': ',
    '- ',
    '? ',
    ', ',
    '\n',
    '  ',
    '\t',
    '"',
    "'",
    '|\n',
    '>-\n ',
    '---\n',
    '...\n',
  ],
  ...[
    '&a ',
    '*a ',
    '&a0 ',
    '*a0 ',
    '<<: *a\n',
    '<<: [*a, *a0]\n',
    '!t ',
    '!!binary ',
    '!!map ',
    '%YAML 1.1\n',
    '%a\n',
    '#',
    '\0',
  ],
  ...[
    '__proto__: ',
    'constructor: ',
    'name: ',
    'clusters: ',
    'users: ',
    'version: 2\n',
    'a: 1\n',
    '0x7fffffffffffffff',
    '.nan',
    '1_0',
    '~',
  ],
];

/** Aliases of aliases, `levels` deep. */
const multiplied = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }))
  .map(([levels, times]) =>
    [
      'a0: &a0 [x]',
      ...Array.from(
        { length: levels },
        (_, level) => `a${level + 1}: &a${level + 1} [${Array(times).fill(`*a${level}`).join(', ')}]`,
      ),
    ].join('\n'),
  );

/** As people write it, as JSON, in pieces, and with anchors. */
export function yamlText(...documents: readonly unknown[]): fc.Arbitrary<string> {
  const json = jsonText(...documents);
  const block = json.map((text) => {
    const value = tryParse(text);
    try {
      return value === undefined ? text : stringify(value);
    } catch {
      return text;
    }
  });
  return fc.oneof(
    { weight: 3, arbitrary: json },
    { weight: 3, arbitrary: block },
    { weight: 4, arbitrary: pieces(YAML_PIECES) },
    { weight: 1, arbitrary: fc.tuple(multiplied, block).map(([bomb, text]) => `${bomb}\n${text}`) },
  );
}

/** Pieces of a language, in any order and number, some of them very often. */
export function pieces(all: readonly string[], mostOften = 20_000): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...all), fc.string({ maxLength: 8 }));
  const often = fc.oneof(
    fc.constant(1),
    fc.integer({ min: 1, max: 10 }),
    fc.integer({ min: 1, max: mostOften }),
  );
  return fc
    .array(fc.tuple(piece, often), { maxLength: 12 })
    .map((parts) => parts.map(([text, times]) => text.repeat(times)).join(''));
}
