/** Verifies that a Machine is reconciled when the file, lock, pool or host that it waits for is there. */

import { appendFile, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, type TestContext, vi } from 'vitest';
import { DependencyWatcher } from '../../../../src/controllers/machine/waits/dependency-waits.ts';
import { type HostNeed, type Missing, TerminalError, TransientError } from '../../../../src/errors.ts';
import { UNLIMITED } from '../../../../src/intent/policy.ts';
import type { Libvirt } from '../../../../src/libvirt/libvirt.ts';
import { Lock } from '../../../../src/system/file-lock.ts';
import { capturedLog } from '../../../telemetry/log-lines.ts';
import { scratchDir } from '../../../terraform/scratch.ts';
import { key } from '../../world.ts';

const { log } = capturedLog();
const stop = new AbortController();
const context = { log, signal: stop.signal };
const noHosts = () => ({}) as Libvirt;
const soon = { timeout: 10_000, interval: 20 };

/** Machines that wait for a file, and their waits. Each test has its own, since the tests run at the same time. */
class Lacking {
  readonly file: string;
  readonly appeared: string[] = [];
  readonly waiting: DependencyWatcher;

  private constructor(file: string) {
    this.file = file;
    this.waiting = new DependencyWatcher({
      libvirt: noHosts,
      policy: UNLIMITED,
      onAppearance: ({ name }) => this.appeared.push(name),
    });
  }

  static async begin({ onTestFinished }: TestContext): Promise<Lacking> {
    const lacking = new Lacking(join(await scratchDir(onTestFinished), 'image.qcow2'));
    onTestFinished(() => lacking.waiting.run(AbortSignal.abort()));
    return lacking;
  }

  readonly lack = (name: string, missing: Missing) =>
    this.waiting.reconcile(key(name), context, () =>
      Promise.reject(new TerminalError({ code: 'ImageNotFound', message: 'there is no image', missing })),
    );
}

it.concurrent('reconciles all Machines that wait for a file when it exists, and not before', async (test) => {
  const { file, appeared, lack } = await Lacking.begin(test);
  expect(await lack('a', { kind: 'file', path: file })).toEqual({});
  await lack('b', { kind: 'file', path: file });
  await lack('c', { kind: 'file', path: `${file}.other` });
  await writeFile(file, 'whole');
  await vi.waitFor(() => expect(appeared).toEqual(['a', 'b']), soon);
});

it.concurrent('waits until a file that is being copied no longer grows', async (test) => {
  const { file, appeared, lack } = await Lacking.begin(test);
  await lack('a', { kind: 'file', path: file });
  for (let part = 0; part < 20; part += 1) {
    await appendFile(file, 'part');
    await sleep(100);
    expect(appeared).toEqual([]);
  }
  await vi.waitFor(() => expect(appeared).toEqual(['a']), soon);
  expect((await stat(file)).size).toBe(80);
});

it.concurrent('does not accept a directory as a file', async (test) => {
  const { file, appeared, lack } = await Lacking.begin(test);
  await mkdir(file);
  await lack('a', { kind: 'file', path: file });
  await sleep(1_600);
  expect(appeared).toEqual([]);
  await rm(file, { recursive: true });
  await writeFile(file, '');
  await vi.waitFor(() => expect(appeared).toEqual(['a']), soon);
});

it.concurrent('reconciles all Machines that wait for a lock when it is released, or at once if it is free', async (test) => {
  const { file, appeared, waiting, lack } = await Lacking.begin(test);
  const lock = await Lock.acquire(file, { operation: 'image', timeoutMs: 0 });
  const busy = await Lock.acquire(file, { operation: 'image', timeoutMs: 0 }).catch((error) => error);
  expect(busy).toMatchObject({ code: 'StateLocked', missing: { kind: 'lock', path: file } });
  for (const name of ['a', 'b'])
    expect(await waiting.reconcile(key(name), context, () => Promise.reject(busy))).toEqual({});
  await lock.release();
  await vi.waitFor(() => expect(appeared).toEqual(['a', 'b']), soon);
  await lack('c', { kind: 'lock', path: file });
  await vi.waitFor(() => expect(appeared).toEqual(['a', 'b', 'c']), soon);
});

it.concurrent('forgets Machines that wait for something else by now, or for nothing', async (test) => {
  const { file, appeared, waiting, lack } = await Lacking.begin(test);
  await lack('a', { kind: 'file', path: file });
  await lack('b', { kind: 'file', path: file });
  await lack('c', { kind: 'file', path: file });
  await lack('a', { kind: 'watched' });
  await waiting.reconcile(key('b'), context, async () => ({}));
  await writeFile(file, '');
  await vi.waitFor(() => expect(appeared).toEqual(['c']), soon);
});

it.concurrent('leaves missing objects to the watches, and other failures to the queue', async (test) => {
  const { waiting, lack } = await Lacking.begin(test);
  expect(await lack('a', { kind: 'watched' })).toEqual({});
  const failure = new TransientError({ code: 'LibvirtUnreachable', message: 'no answer' });
  await expect(waiting.reconcile(key('a'), context, () => Promise.reject(failure))).rejects.toBe(failure);
});

it.concurrent('checks a pool or network again, since a libvirtd that has just started does not list all of them yet', async (test) => {
  const { waiting } = await Lacking.begin(test);
  for (const code of ['PoolNotFound', 'NetworkNotFound'] as const) {
    const failure = new TerminalError({ code, message: 'it is not there' });
    const result = await waiting.reconcile(key('a'), context, () => Promise.reject(failure));
    expect(result.requeueAfterMs).toBeGreaterThan(0);
  }
});

it.concurrent('reconciles Machines that wait for a host, or a network on it, when it is available', async ({
  onTestFinished,
}) => {
  let facts: object | undefined;
  const libvirt = () =>
    ({
      facts: async () => {
        if (!facts) throw new Error('silent');
        return facts;
      },
    }) as unknown as Libvirt;
  const appeared: string[] = [];
  const onAppearance = ({ name }: { readonly name: string }) => appeared.push(name);
  const waiting = new DependencyWatcher({ libvirt, policy: UNLIMITED, onAppearance });
  onTestFinished(() => waiting.run(AbortSignal.abort()));
  const uri = 'qemu+ssh://gone/system';
  const lack = (name: string, need: HostNeed) =>
    waiting.reconcile(key(name), context, () =>
      Promise.reject(
        new TransientError({
          code: 'LibvirtUnreachable',
          message: 'it is silent',
          missing: { kind: 'onHost', anyOf: [need] },
        }),
      ),
    );
  expect(await lack('host', { what: 'host', uri })).toEqual({});
  expect(await lack('network', { what: 'network', uri, name: 'lan' })).toEqual({});
  facts = { networks: [{ name: 'lan', active: false }], pools: [] };
  await vi.waitFor(() => expect(appeared).toEqual(['host']), soon);
  facts = { networks: [{ name: 'lan', active: true }], pools: [] };
  await vi.waitFor(() => expect(appeared).toEqual(['host', 'network']), soon);
});
