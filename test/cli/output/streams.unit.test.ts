/** Verifies that text in errors cannot control the terminal. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const PROGRAM = join(import.meta.dirname, '../../../src/bin.ts');

/** What caplv writes that was called so. */
async function said(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const all = { ...process.env, NO_COLOR: '', ...env };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [PROGRAM, ...args], {
    env: all,
  }).catch((error: { stdout: string; stderr: string }) => error);
  return stdout + stderr;
}

it('a name in an error cannot command the terminal', async () => {
  const text = await said(['get', '\u001b]0;owned\u0007machine\u009b2J']);
  expect(text).toContain('\\u001b]0;owned\\u0007machine\\u009b2J');
  for (const command of ['\u001b', '\u0007', '\u009b']) expect(text).not.toContain(command);
});

it("colours of caplv's own stay where they are wanted", async () => {
  expect(await said(['get', 'nonsense'], { FORCE_COLOR: '1' })).toContain('\u001b[31merror:\u001b[39m');
  expect(await said(['get', 'nonsense'])).toMatch(/^error: /);
});
