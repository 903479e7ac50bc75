/** Verifies that YAML output reads the same with YAML 1.1 and YAML 1.2. */

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatData } from '../../../src/cli/output/serialize.ts';

/** Text that YAML 1.1, which kubectl and cloud-init read, takes for something else unless it stands in quotes. */
const AMBIGUOUS = [
  'on',
  'off',
  'yes',
  'no',
  'y',
  'n',
  'NO',
  '0644',
  '1_000',
  '0b11',
  '12:30',
  '52:54:00:12:34:56',
];

describe.each(AMBIGUOUS)('a value %s', (text) => {
  it('is the same text to a reader of YAML 1.1 and to one of YAML 1.2', () => {
    const written = formatData({ [text]: text }, 'yaml');
    expect(parse(written)).toEqual({ [text]: text });
    expect(parse(written, { version: '1.1' })).toEqual({ [text]: text });
  });
});

it('writes a date as quoted text, so that kubectl can apply the output', () => {
  expect(formatData({ label: '2026-11-28' }, 'yaml')).toBe('label: "2026-11-28"\n');
});
