/** Verifies that files are replaced as a whole. */

import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  createAtomically,
  removeDurably,
  syncFile,
  writeAtomically,
  writeWhole,
} from '../../src/system/atomic-file.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-atomic-'));
  file = join(dir, 'state');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it.each([writeAtomically, writeWhole])(
  '%o replaces a file as a whole, readable by its owner only, and leaves no draft',
  async (write) => {
    await write(file, 'old');
    await write(file, 'new');
    expect(await readFile(file, 'utf8')).toBe('new');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(dir)).toEqual(['state']);
  },
);

it('the old file stays when the new one cannot be written', async () => {
  await writeAtomically(file, 'old');
  // A directory of the name of the draft stands for a disk that fails.
  await expect(writeAtomically(join(dir, 'missing', 'state'), 'new')).rejects.toThrow('ENOENT');
  expect(await readFile(file, 'utf8')).toBe('old');
});

it.each([writeAtomically, writeWhole])(
  'a link that another user made in place of the draft is not followed by %o',
  async (write) => {
    const victim = join(dir, 'victim');
    await writeFile(victim, 'untouched');
    await symlink(victim, `${file}.draft`);
    await write(file, 'new');
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect(await readFile(file, 'utf8')).toBe('new');
  },
);

it('of many processes that create a file at once one succeeds, and its content is complete', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, (_, n) => createAtomically(file, `${n}`)));
  expect(made.filter(Boolean)).toHaveLength(1);
  expect(await readFile(file, 'utf8')).toBe(String(made.indexOf(true)));
  expect(await readdir(dir)).toEqual(['state']);
});

it('a file that is already gone is no error when it is removed or saved', async () => {
  await removeDurably(file);
  await syncFile(file);
  await syncFile(join(dir, 'missing', 'state'));
});
