/** Verifies that `caplv get` asks a host with one virsh process. */

import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, expect, test } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { scratchDir } from '../terraform/scratch.ts';
import { Caplv, PROGRAM, userEnvironment } from './caplv.ts';

// virsh itself, with libvirt's built-in test driver: no daemon, no root.
let directory: string;
let caplv: Caplv;

beforeEach(async () => {
  directory = await scratchDir();
  caplv = new Caplv(
    userEnvironment({
      CAPLV_STATE_DIR: join(directory, 'state'),
      PATH: `${directory}${delimiter}${process.env['PATH']}`,
      REAL_PATH: process.env['PATH'] ?? '',
    }),
  );
  await made('one', 'other', 'gone');
});

/** Machines that were made on a host, which has the domains of all but one. */
async function made(...names: readonly string[]): Promise<void> {
  const store = await LocalStore.open(join(directory, 'state'));
  const uri = `test://${directory}/host.xml`;
  const domains: string[] = [];
  for (const name of names) {
    const key = { namespace: 'default', name };
    const providerSpec = { vcpu: 1, memoryMiB: 64, imageURI: '/image', userData: 'none' };
    const { metadata } = await store.apply(MachineKind, { metadata: key, spec: { providerSpec } } as never, {
      fieldManager: 'caplv',
    });
    const pinned = {
      uri,
      domainType: 'qemu',
      imageURI: '/image',
      base: { pool: 'default', volume: 'image' },
    };
    const status = { phase: 'Provisioning', providerStatus: { appliedHash: 'hash', pinned } };
    await store.applyStatus(MachineKind, key, status as never, { fieldManager: 'caplv-controller' });
    if (name !== 'gone')
      domains.push(`<domain type='test'><name>default.${name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
        <description>caplv machine default/${name} uid ${metadata.uid}</description></domain>`);
  }
  await writeFile(join(directory, 'host.xml'), `<node>${domains.join('')}</node>`);
}

/** Puts a script before the real virsh in PATH. */
async function virsh(program: string): Promise<void> {
  await writeFile(join(directory, 'virsh'), `#!/bin/sh\necho $$ >>'${directory}/calls'\n${program}\n`, {
    mode: 0o755,
  });
}

async function calls(): Promise<string[]> {
  const text = await readFile(join(directory, 'calls'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}

test('a host is asked in one process for all of its machines', async () => {
  await virsh('PATH=$REAL_PATH exec virsh "$@"');
  const list = JSON.parse(await caplv.read(['get', 'ma', '-o', 'json']));
  expect(
    // biome-ignore lint/suspicious/noExplicitAny: tests look at what people see, not at our types
    list.items.map(({ metadata, status }: any) => [
      metadata.name,
      status.phase,
      status.providerStatus.instanceState,
    ]),
  ).toEqual([
    ['gone', 'Pending', 'absent'],
    ['one', 'Provisioned', 'running'],
    ['other', 'Provisioned', 'running'],
  ]);
  expect(await calls()).toHaveLength(1);
  // Shown from what is known.
  await caplv.read(['get', 'clusters']).catch(() => {});
  expect(await calls()).toHaveLength(1);
});

test('machines are chosen by names and by labels, beside other kinds', async () => {
  await virsh('PATH=$REAL_PATH exec virsh "$@"');
  const store = await LocalStore.open(join(directory, 'state'));
  for (const [name, tier] of Object.entries({ one: 'front', other: 'back' })) {
    const metadata = { name, namespace: 'default', labels: { tier } };
    await store.apply(MachineKind, { metadata }, { fieldManager: 'labels' });
  }
  const named = (...args: readonly string[]) => caplv.read(['get', ...args, '-o', 'name']);
  expect(await named('machines,sets', '-l', 'tier').catch(String)).toMatch(/there is no kind "sets"/);
  expect(await named('ma,ms', '-l', 'tier in (front,back)')).toBe('machine/one\nmachine/other');
  expect(await named('machines', '-l', 'tier!=back,tier')).toBe('machine/one');
  expect(await named('machine/gone', 'ma/one')).toBe('machine/gone\nmachine/one');
  expect(await named('all', '-A')).toBe('machine/gone\nmachine/one\nmachine/other');
  const path = 'jsonpath={range .items[*]}{.metadata.name}={.status.providerStatus.instanceState};{end}';
  expect(await caplv.read(['get', 'machine', 'one', 'gone', '-o', path])).toBe('gone=absent;one=running;');
  const some = await caplv.run(['get', 'machines', 'one', 'nobody']);
  expect(some).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^NAME .*\none /) });
  expect(some.stderr).toContain('there is no Machine "nobody"');
  expect(await caplv.run(['get', 'machine', 'nobody', '--ignore-not-found'])).toMatchObject({ exitCode: 0 });
});

test('a watch shows each change until it is interrupted, or until nothing reads it', async () => {
  await virsh('PATH=$REAL_PATH exec virsh "$@"');
  const store = await LocalStore.open(join(directory, 'state'));
  const watch = caplv.start(['get', 'machines', '-w', '--output-watch-events', '--no-headers']);
  await watch.prints(/other/);
  const key = { namespace: 'default', name: 'one' };
  await store.applyStatus(MachineKind, key, { phase: 'Failed' } as never, { fieldManager: 'test' });
  await watch.prints(/^MODIFIED +one +Failed/m);
  await store.delete(MachineKind, { namespace: 'default', name: 'gone' });
  await watch.prints(/^DELETED +gone/m);
  watch.interrupt();
  const { exitCode, stdout, stderr } = await watch.result;
  expect({ exitCode, stderr }).toEqual({ exitCode: 130, stderr: '' });
  expect(stdout.match(/^ADDED +gone.*\nADDED +one.*\nADDED +other/m)).not.toBeNull();

  const command = `'${process.execPath}' '${PROGRAM}' get machines -w -o name | head -n 1`;
  const piped = execa('sh', ['-c', command], { env: caplv.env, extendEnv: false });
  const lines: string[] = [];
  const read = (async () => {
    for await (const line of piped) lines.push(line);
    return 'ended';
  })();
  // The next row finds that nothing reads it any more.
  let turn = 0;
  const change = async () => {
    const status = { phase: `Phase${++turn}` };
    await store.applyStatus(MachineKind, key, status as never, { fieldManager: 'test' });
    return Promise.race([read, 'reads']);
  };
  await expect.poll(change, { timeout: 30_000 }).toBe('ended');
  expect(lines).toEqual(['machine/one']);
});

test('a refused command leaves no process behind', async () => {
  await virsh('exec sleep 60');
  const { exitCode, stderr } = await caplv.run(['get', 'machines', '--libvirt-uri', 'nonsense']);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('--libvirt-uri'),
  });
  for (const pid of await calls()) expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
});
