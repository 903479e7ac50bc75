/** Verifies that a growing file is read line by line. */

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { follow } from '../../src/system/tail.ts';
import { scratchDir } from '../terraform/scratch.ts';

test('lines arrive while they are written, whole, whatever the pieces they are written in', async () => {
  const path = join(await scratchDir(), 'run.jsonl');
  const writer = await open(path, 'ax');
  const lines: string[] = [];
  const follower = await follow(path, (line) => lines.push(line));
  const text = Buffer.from('first\nzweite für Grüße\n');
  const middleOfUmlaut = text.indexOf(Buffer.from('ü')) + 1;
  await writer.write(text.subarray(0, middleOfUmlaut));
  await expect.poll(() => lines).toEqual(['first']);
  await writer.write(text.subarray(middleOfUmlaut));
  await writer.write('the last has no newline');
  await follower.finish();
  expect(lines).toEqual(['first', 'zweite für Grüße', 'the last has no newline']);
  await writer.close();
});

test('an error of a listener is thrown at the end, not in the middle of a run', async () => {
  const path = join(await scratchDir(), 'run.jsonl');
  const writer = await open(path, 'ax');
  const follower = await follow(path, () => {
    throw new Error('listener');
  });
  await writer.write('line\n');
  await expect(follower.finish()).rejects.toThrow('listener');
  await writer.close();
});
