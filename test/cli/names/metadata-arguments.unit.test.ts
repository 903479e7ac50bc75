/** Verifies how `label` and `annotate` read their words, and what they make of an object. */

import { describe, expect, it } from 'vitest';
import { withMetadata } from '../../../src/cli/commands/changes/metadata.ts';
import { parseMetadataArguments } from '../../../src/cli/names/metadata-arguments.ts';

it.each([
  [['machine', 'web', 'a=b'], ['machine', 'web'], { a: 'b' }, []],
  [['machine/web', 'example.com/a=', 'b-'], ['machine/web'], { 'example.com/a': '' }, ['b']],
  [['machines', 'a=b=c'], ['machines'], { a: 'b=c' }, []],
])('annotations %j', (words, objects, set, remove) => {
  expect(parseMetadataArguments(words, 'annotation')).toEqual({ objects, set, remove });
});

it.each([
  [['machine', 'web'], 'label'],
  [[], 'label'],
  [['machine/web', 'a=b', 'other'], 'label'],
  [['machine/web', '-a=b'], 'label'],
  [['machine/web', 'a=b', 'a-'], 'label'],
  [['machine/web', 'a=two words'], 'label'],
  [['machine/web', 'a=b=c'], 'label'],
  [['machine/web', 'x/y/z=b'], 'annotation'],
  [['machine/web', '='], 'annotation'],
  [['machine/web', '-'], 'annotation'],
] as const)('%j are refused as %s', (words, what) => {
  expect(() => parseMetadataArguments(words, what)).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration' }),
  );
});

describe('an object', () => {
  const web = { apiVersion: '', kind: 'Machine', metadata: { name: 'web', labels: { a: 'b', c: 'd' } } };
  const labelsAfter = (set: Record<string, string>, remove: string[], overwrite = false) =>
    withMetadata(web, 'label', { set, remove }, overwrite)?.metadata.labels;

  it('is given labels, loses others, and keeps the rest', () => {
    expect(labelsAfter({ x: 'y' }, ['a', 'nothing'])).toEqual({ c: 'd', x: 'y' });
  });

  it('that has them already is not written', () => {
    expect(labelsAfter({ a: 'b' }, ['nothing'])).toBeUndefined();
  });

  it('keeps a value until --overwrite', () => {
    expect(() => labelsAfter({ a: 'z' }, [])).toThrow(/label a has a value already: b/);
    expect(labelsAfter({ a: 'z' }, [], true)).toEqual({ a: 'z', c: 'd' });
  });
});
