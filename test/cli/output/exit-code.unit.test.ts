/** Verifies the exit code of each error. */

import { describe, expect, it } from 'vitest';
import { EXIT, exitCodeOf } from '../../../src/cli/output/exit-code.ts';
import { type CaplvError, TerminalError, TransientError } from '../../../src/errors.ts';

const CODES: readonly [CaplvError['code'], number][] = [
  ['InvalidConfiguration', EXIT.refused],
  ['ReplaceRefused', EXIT.replaceRefused],
  ['WaitTimeout', EXIT.notReady],
  ['Interrupted', EXIT.interrupted],
  ['NotFound', EXIT.failed],
  ['LibvirtUnreachable', EXIT.failed],
];

describe.each(CODES)('an error %s', (code, exit) => {
  it(`ends a command with ${exit}, whether a retry may help or not`, () => {
    expect(exitCodeOf(new TerminalError({ code, message: 'x' }))).toBe(exit);
    expect(exitCodeOf(new TransientError({ code, message: 'x' }))).toBe(exit);
  });
});

it('ends a command with 1 for an unexpected error', () => {
  expect(exitCodeOf(new TypeError('x'))).toBe(EXIT.failed);
  expect(exitCodeOf('x')).toBe(EXIT.failed);
});

it('gives scripts one number for each outcome', () => {
  expect(EXIT).toEqual({
    ok: 0,
    failed: 1,
    changes: 2,
    refused: 3,
    replaceRefused: 4,
    notReady: 5,
    interrupted: 130,
  });
});
