/** Verifies that the output of a program is limited. */

import { expect, it } from 'vitest';
import { runSubprocess } from '../../src/system/subprocess.ts';

const options = { timeoutMs: 60_000, signal: undefined, env: {} };

it.each(['1', '2'])(
  'takes what a program writes to descriptor %s up to a limit, and ends it at one character more',
  async (fd) => {
    const print = (count: number) =>
      runSubprocess('/bin/sh', ['-c', `printf '%0${count}d' 0 >&${fd}; exec sleep 60`], {
        ...options,
        maxCharacters: 1_000,
        timeoutMs: 500,
      });
    const [whole, longer] = await Promise.all([print(1_000), print(1_001)]);
    expect(whole).toMatchObject({ timedOut: true });
    expect(fd === '1' ? whole.stdout : whole.stderr).toHaveLength(1_000);
    expect(longer).toMatchObject({ isTooLong: true, timedOut: false });
  },
);

it('ends a program that never ends to write', async () => {
  expect(await runSubprocess('/usr/bin/yes', [], { ...options, maxCharacters: 100_000 })).toMatchObject({
    isTooLong: true,
  });
});
