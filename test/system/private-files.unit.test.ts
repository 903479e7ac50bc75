/** Verifies that directories that other users control are refused. */

import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processName } from '../../src/app/leader-identity.ts';
import { WorkDir } from '../../src/app/scratch-dir.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { makePrivateDir } from '../../src/system/private-files.ts';

let root: string;
let dir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'caplv-private-'));
  dir = join(root, 'work');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** What another user can have prepared in a shared directory before caplv came. */
const prepared: Readonly<Record<string, { make: () => Promise<unknown>; fix: string }>> = {
  'a symbolic link to a directory': {
    make: async () => {
      await mkdir(join(root, 'elsewhere'), { mode: 0o700 });
      await symlink(join(root, 'elsewhere'), dir);
    },
    fix: 'readlink -f',
  },
  'a directory that others may write to': {
    make: async () => {
      await mkdir(dir);
      await chmod(dir, 0o777);
    },
    fix: 'chmod go-w',
  },
  'a directory that a group may write to': {
    make: async () => {
      await mkdir(dir);
      await chmod(dir, 0o770);
    },
    fix: 'chmod go-w',
  },
};

describe.each(Object.entries(prepared))('%s', (_, { make, fix }) => {
  const refused = { code: 'StateDirNotWritable', fix: expect.stringContaining(fix) };

  it('is no directory for states', async () => {
    await make();
    await expect(LocalStore.open(dir)).rejects.toMatchObject(refused);
  });

  it('is no directory for runs and caches', async () => {
    await make();
    await expect(makePrivateDir(dir)).rejects.toMatchObject(refused);
  });
});

it.runIf(process.getuid?.() === 0)('a directory of another user is refused, and he is named', async () => {
  await mkdir(dir, { mode: 0o700 });
  await chown(dir, 4711, 4711);
  await expect(makePrivateDir(dir)).rejects.toMatchObject({
    message: expect.stringContaining('belongs to user 4711'),
  });
});

it('a directory of runs that others may read is used, and its mode is corrected', async () => {
  await mkdir(dir, { mode: 0o755 });
  await makePrivateDir(dir);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
});

it('a state directory that others may read keeps its mode', async () => {
  await mkdir(dir, { mode: 0o755 });
  await LocalStore.open(dir);
  expect((await stat(dir)).mode & 0o777).toBe(0o755);
});

it('the directory of runs is not taken over from another user who made it first', async () => {
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = root;
  try {
    await symlink(root, join(root, `caplv-${processName()}`));
    await expect(WorkDir.make(() => false)).rejects.toMatchObject({ code: 'StateDirNotWritable' });
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
});

it('an identity that lost its content is not replaced by another one', async () => {
  await mkdir(dir, { mode: 0o700 });
  await writeFile(join(dir, 'installation-id'), '');
  await expect(LocalStore.open(dir)).rejects.toMatchObject({
    message: expect.stringContaining('installation-id is empty'),
  });
});
