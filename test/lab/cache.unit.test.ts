/** Verifies that the cache of the lab keeps complete builds only. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheDirectory, cached } from './cache.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'caplv-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', home);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

test('the cache lies where the user wants caches, so that a throw-away home directory stays throw-away', () => {
  expect(cacheDirectory()).toBe(join(home, 'caplv'));
});

test('what is cached is not built again, or every start would take minutes', async () => {
  let builds = 0;
  const build = async (directory: string) => {
    builds++;
    await writeFile(join(directory, 'artifact'), 'made once');
  };
  const first = await cached('thing/1.0', build);
  const second = await cached('thing/1.0', build);
  expect(second).toBe(first);
  expect(builds).toBe(1);
  expect(await readFile(join(first, 'artifact'), 'utf8')).toBe('made once');
});

test('a failed build leaves nothing that a later run would take for a whole one', async () => {
  const build = async (directory: string) => {
    await writeFile(join(directory, 'artifact'), 'half');
    throw new Error('no space left on device');
  };
  await expect(cached('thing/1.0', build)).rejects.toThrow('no space left');
  expect(await readdir(join(home, 'caplv', 'thing'))).toEqual([]);
});

test('two builds at the same time both end with a whole directory', async () => {
  const build = (directory: string) => writeFile(join(directory, 'artifact'), 'whole');
  const paths = await Promise.all([cached('thing/1.0', build), cached('thing/1.0', build)]);
  expect(new Set(paths).size).toBe(1);
  expect(await readdir(paths[0])).toEqual(['artifact']);
  expect(await readdir(join(home, 'caplv', 'thing'))).toEqual(['1.0']);
});
