/** Verifies that `caplv get` asks a host with one virsh process. */

import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { LocalStore } from '../../src/store/local-store.ts';
import { scratchDir } from '../terraform/scratch.ts';
import { Caplv, userEnvironment } from './caplv.ts';

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

test('a refused command leaves no process behind', async () => {
  await virsh('exec sleep 60');
  const { exitCode, stderr } = await caplv.run(['get', 'machines', '--libvirt-uri', 'nonsense']);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('--libvirt-uri'),
  });
  for (const pid of await calls()) expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
});
