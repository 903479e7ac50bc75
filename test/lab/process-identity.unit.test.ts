/** Verifies that a later process with the same number is recognized as another one. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { identify, isAlive } from './process-identity.ts';

test('a process is alive until it ends', async () => {
  // A name with a space and a parenthesis, as any program may have: it stands in the middle of /proc/PID/stat.
  const child = spawn('cat', { argv0: 'odd ) name', stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const identity = await identify(child.pid ?? 0);
  if (!identity) throw new Error('not found');
  expect(await isAlive(identity)).toBe(true);
  child.stdin.end();
  await once(child, 'exit');
  expect(await isAlive(identity)).toBe(false);
});

test('a later process of the same number is another one: `lab down` must never kill it', async () => {
  const self = await identify(process.pid);
  if (!self) throw new Error('not found');
  expect(await isAlive(self)).toBe(true);
  expect(await isAlive({ ...self, startTime: '1' })).toBe(false);
  expect(await isAlive({ ...self, bootId: 'before the reboot' })).toBe(false);
});
