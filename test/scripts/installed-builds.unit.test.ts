/** Verifies that a new build does not break a caplv that runs. */

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { installBuild, isInstalled, removeUnusedBuilds } from '../../scripts/installed-builds.ts';

let dist: string;

beforeEach(async () => {
  dist = join(await mkdtemp(join(tmpdir(), 'caplv-build-')), 'dist');
});

afterEach(() => rm(join(dist, '..'), { recursive: true, force: true }));

/** A program that says it has started, and at end of input loads its other file, which says which build it is of. */
async function build(id: string): Promise<void> {
  await installBuild(dist, id, async (target) => {
    await mkdir(join(target, id));
    await writeFile(join(target, id, 'late.mjs'), `console.log('${id}');`);
    const program = [
      "console.log('started');",
      `process.stdin.resume().on('end', () => import('./${id}/late.mjs'));`,
    ];
    await writeFile(join(target, 'bin.js'), program.join('\n'));
  });
  await removeUnusedBuilds(dist);
}

/** Starts `bin.js` and waits until it has loaded what it loads first. */
async function start(): Promise<{ finish: () => Promise<string> }> {
  const child = execa(process.execPath, [join(dist, 'bin.js')], { cwd: dist });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const finish = async () => {
    child.stdin.end();
    return (await child).stdout;
  };
  return { finish };
}

it('a caplv that runs during a build goes on with the files that it was started from', async () => {
  await build('one');
  const controller = await start();
  await build('two');
  await build('three');
  expect(await controller.finish()).toBe('started\none');
  expect(await (await start()).finish()).toBe('started\nthree');
});

it('what no process runs from is removed by the next build, and kept out of the package until then', async () => {
  await build('one');
  const controller = await start();
  await build('two');
  expect(await readFile(join(dist, '.npmignore'), 'utf8')).toBe('one\n');
  await controller.finish();
  await build('three');
  expect((await readdir(dist)).sort()).toEqual(['bin.js', 'three']);
});

it('the command may be executed after each build', async () => {
  for (const id of ['one', 'two']) {
    await build(id);
    expect((await stat(join(dist, 'bin.js'))).mode & 0o111).toBe(0o111);
  }
});

it('a build that fails does not change the one before', async () => {
  await build('one');
  const failing = installBuild(dist, 'two', async () => {
    throw new Error('a type error');
  });
  await expect(failing).rejects.toThrow('a type error');
  expect((await readdir(dist)).sort()).toEqual(['bin.js', 'one']);
  expect(await (await start()).finish()).toBe('started\none');
});

it('two builds of the same sources at once leave one', async () => {
  await Promise.all([build('one'), build('one'), build('one')]);
  expect(await (await start()).finish()).toBe('started\none');
  expect((await readdir(dist)).sort()).toEqual(['bin.js', 'one']);
});

it('a build of sources that were built before is not made again', async () => {
  expect(await isInstalled(dist, 'one')).toBe(false);
  await build('one');
  expect(await isInstalled(dist, 'one')).toBe(true);
  await build('two');
  expect(await isInstalled(dist, 'one')).toBe(false);
});
