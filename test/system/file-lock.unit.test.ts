/** Verifies that locks exclude other processes, and are released when their holder is gone. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Lock } from '../../src/system/file-lock.ts';
import type { LockHolder } from '../../src/system/lock-holder.ts';
import { removeWorkspace } from '../../src/terraform/workspace.ts';
import { scratchDir } from '../terraform/scratch.ts';

async function lockPath(): Promise<string> {
  return join(await scratchDir(), 'caplv.lock');
}

function start(script: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** Another caplv, which holds the lock when this returns. */
async function otherHolder(...args: string[]): Promise<ChildProcess> {
  const child = start('lock-holder-process.ts', ...args);
  if (child.stdout === null) throw new Error('unreachable');
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

test('the second caller waits, is told who holds the lock, and then acquires it', async () => {
  const path = await lockPath();
  const other = await otherHolder(path);
  const waitedFor: LockHolder[] = [];
  const lock = await Lock.acquire(path, {
    operation: 'plan',
    timeoutMs: 30_000,
    onWaiting(holder) {
      waitedFor.push(holder);
      other.stdin?.end();
    },
  });
  expect(waitedFor).toEqual([
    { who: expect.stringContaining(`process ${other.pid}`), operation: 'apply', since: expect.any(String) },
  ]);
  await lock.release();
});

test('a caller that does not wait gets an error that names the holder, since when, and the fix', async () => {
  const path = await lockPath();
  const other = await otherHolder(path);
  await expect(Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).rejects.toMatchObject({
    code: 'StateLocked',
    message: expect.stringMatching(
      new RegExp(`locked by .*process ${other.pid} \\(apply\\) since 20\\d\\d-`),
    ),
    fix: expect.stringContaining(path),
  });
});

test('a waiting caller acquires the lock although the holder removes the whole directory, as a deletion does', async () => {
  const path = await lockPath();
  const first = await Lock.acquire(path, { operation: 'delete', timeoutMs: 0 });
  const { promise: waiting, resolve } = Promise.withResolvers<void>();
  const second = Lock.acquire(path, { operation: 'create', timeoutMs: 30_000, onWaiting: () => resolve() });
  await waiting;
  // At one stroke: a removal file by file may find in the directory what the second has made meanwhile.
  const removed = `${dirname(path)}.removed`;
  await rename(dirname(path), removed);
  await rm(removed, { recursive: true });
  const lock = await second;
  await first.release();
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ operation: 'create' });
  await lock.release();
});

test('removing a workspace does not remove the lock of a caller that arrives meanwhile', async () => {
  const path = await lockPath();
  const workspace = { dir: dirname(path) };
  const many = Array.from({ length: 1_000 }, (_, i) => join(workspace.dir, 'history', String(i)));
  const options = { operation: 'delete', timeoutMs: 30_000 };
  const first = await Lock.acquire(path, options);
  await mkdir(join(workspace.dir, 'history'));
  await Promise.all(many.map((file) => writeFile(file, '')));
  const { promise: waiting, resolve } = Promise.withResolvers<void>();
  const second = Lock.acquire(path, { ...options, onWaiting: () => resolve() });
  await waiting;
  const removed = removeWorkspace(workspace);
  const lock = await second;
  await removed;
  await first.release();
  await expect(Lock.acquire(path, { ...options, timeoutMs: 0 })).rejects.toMatchObject({
    code: 'StateLocked',
  });
  await removeWorkspace(workspace);
  await lock.release();
  await expect(stat(workspace.dir)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('removing a workspace removes the draft of a lock whose writer was killed', async () => {
  const path = await lockPath();
  const lock = await Lock.acquire(path, { operation: 'delete', timeoutMs: 0 });
  await writeFile(`${path}.6f9a9049-849c-47ea-b749-1f4a862140c3`, '{');
  await removeWorkspace({ dir: dirname(path) });
  await lock.release();
  await expect(stat(dirname(path))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('two operations of one process exclude each other too', async () => {
  const path = await lockPath();
  const lock = await Lock.acquire(path, { operation: 'plan', timeoutMs: 0 });
  await expect(Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).rejects.toMatchObject({
    code: 'StateLocked',
  });
  await lock.release();
  await (await Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).release();
});

test('the lock of a killed holder is taken over at once', async () => {
  const path = await lockPath();
  await kill(await otherHolder(path));
  await (await Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).release();
});

test('a killed holder whose terraform still runs keeps others out until that has ended', async () => {
  const path = await lockPath();
  const terraform = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  await kill(await otherHolder(path, String(terraform.pid)));
  const lock = await Lock.acquire(path, {
    operation: 'plan',
    timeoutMs: 30_000,
    onWaiting(holder) {
      expect(holder.who).toContain('left running by a killed caplv');
      terraform.stdin.end();
    },
  });
  expect(terraform.exitCode).toBe(0);
  await lock.release();
});

/** Makes a lock of this process and changes what it says. */
async function forge(path: string, changes: object): Promise<void> {
  await Lock.acquire(path, { operation: 'apply', timeoutMs: 0 });
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...changes }));
}

test('a lock is stale although another process has the number of its dead holder', async () => {
  const path = await lockPath();
  await forge(path, { startTime: '1' });
  await (await Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).release();
});

test('a lock from before the host was booted is stale', async () => {
  const path = await lockPath();
  await forge(path, { bootId: 'earlier', startTime: '1' });
  await (await Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).release();
});

test('a service that sees another boot ID than a command beside it, as in systemd-nspawn, has its lock respected', async () => {
  const path = await lockPath();
  await forge(path, { bootId: 'another one' });
  await expect(Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).rejects.toMatchObject({
    code: 'StateLocked',
  });
});

test.each([
  ['another host', { host: 'elsewhere', pid: 2 ** 22 }],
  ['another host of the same name', { bootId: 'of another', machineId: 'of another', pid: 2 ** 22 }],
  [
    'another host of the same name that says no more',
    { bootId: 'of another', machineId: undefined, pid: 2 ** 22 },
  ],
  ['another container', { pidNamespace: 'pid:[1]', pid: 2 ** 22 }],
])('a lock of %s is never taken over: this host cannot know whether its holder runs', async (_, changes) => {
  const path = await lockPath();
  await forge(path, changes);
  await expect(Lock.acquire(path, { operation: 'plan', timeoutMs: 0 })).rejects.toMatchObject({
    code: 'StateLocked',
  });
});

test('many processes that find a stale lock at once acquire it one after the other, and leave no files', {
  timeout: 60_000,
}, async () => {
  const path = await lockPath();
  const counter = join(path, '..', 'counter');
  await writeFile(counter, '0');
  await kill(await otherHolder(path));
  const children = Array.from({ length: 5 }, () => start('counting-process.ts', path, counter, '10'));
  await Promise.all(children.map((child) => once(child, 'exit')));
  expect(await readFile(counter, 'utf8')).toBe('50');
  expect(await readdir(join(path, '..'))).toEqual(['counter']);
});

test('only the owner can read a lock file', async () => {
  const path = await lockPath();
  const lock = await Lock.acquire(path, { operation: 'plan', timeoutMs: 0 });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await lock.release();
});
