/** Verifies what `caplv ssh` makes of a machine that is known: with a stand-in for ssh, and a host that does not answer. */

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { ClusterKind } from '../../../src/api/kinds/cluster.ts';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import { Caplv, userEnvironment } from '../../e2e/caplv.ts';
import { scratchDir } from '../../terraform/scratch.ts';

const URI = 'qemu+ssh://root@rack1/system';
const ADDRESS = '192.168.122.7';

let directory: string;
let store: LocalStore;
let caplv: Caplv;

beforeEach(async () => {
  directory = await scratchDir();
  store = await LocalStore.open(join(directory, 'state'));
  await program('virsh', 'exit 1');
  caplv = new Caplv(
    userEnvironment({
      CAPLV_STATE_DIR: join(directory, 'state'),
      PATH: `${join(directory, 'bin')}${delimiter}${process.env['PATH']}`,
    }),
    [process.execPath, join(import.meta.dirname, '../../../src/bin.ts')],
  );
});

/** Comes before the real one in PATH. */
async function program(name: string, text: string): Promise<void> {
  await mkdir(join(directory, 'bin'), { recursive: true });
  await writeFile(join(directory, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

interface Given {
  readonly spec?: object;
  readonly addresses?: readonly string[];
  readonly cluster?: object;
}

/** A machine that was made on the host. */
async function made({ spec = {}, addresses = [ADDRESS], cluster }: Given = {}): Promise<void> {
  const key = { namespace: 'default', name: 'web' };
  const manager = { fieldManager: 'caplv' };
  if (cluster) {
    const metadata = { ...key, name: 'fujisan' };
    await store.apply(ClusterKind, { metadata, spec: { providerSpec: cluster } } as never, manager);
  }
  const providerSpec = { vcpu: 1, memoryMiB: 64, imageURI: '/image', ...spec };
  await store.apply(MachineKind, { metadata: key, spec: { providerSpec } } as never, manager);
  const site = { ...(cluster && { cluster: 'fujisan' }), network: 'default', pool: 'default' };
  const pinned = {
    uri: URI,
    site,
    domainType: 'qemu',
    imageURI: '/image',
    base: { pool: 'default', volume: 'image' },
  };
  const status = {
    addresses: addresses.map((address) => ({ type: 'InternalIP', address })),
    providerStatus: { appliedHash: 'hash', pinned },
  };
  await store.applyStatus(MachineKind, key, status as never, { fieldManager: 'caplv-controller' });
}

const printed = async (...args: readonly string[]) => caplv.read(['ssh', 'web', '--print', ...args]);

test('the command in the guest has the terminal, and its exit code is that of caplv', async () => {
  await made();
  await program('ssh', 'cat; shift $(($# - 2)); echo "$@" >&2; exit 7');
  const result = await caplv.run(['ssh', 'machine/web', '--', 'uptime', '-p'], { input: 'typed' });
  expect(result).toMatchObject({ exitCode: 7, stdout: 'typed', stderr: expect.stringMatching(/uptime -p$/) });
});

test('a guest in a network of its host is reached through it, one on a bridge directly', async () => {
  await made();
  expect(await printed()).toMatch(/ -J root@rack1 192\.168\.122\.7$/);
  expect(await printed('-J', 'none')).not.toContain('-J');
  expect(await printed('-J', 'gate:2222')).toContain(' -J gate:2222 ');
  await made({ spec: { interfaces: [{ bridge: 'br0' }] } });
  expect(await printed()).not.toContain('-J');
});

test('the user is that of the flag, else of the machine, else of its Cluster', async () => {
  await made({ cluster: { uri: URI, sshUser: 'fedora' } });
  expect(await printed()).toContain(' -l fedora ');
  await made({ cluster: { uri: URI, sshUser: 'fedora' }, spec: { sshUser: 'debian' } });
  expect(await printed()).toContain(' -l debian ');
  expect(await printed('-l', 'root')).toContain(' -l root ');
});

test('the host key of a machine is kept in the state directory, until a person says that it has another one', async () => {
  await made();
  const path = /UserKnownHostsFile=(\S+)/.exec(await printed())?.[1] ?? '';
  await writeFile(path, 'key');
  await printed();
  const directoryOf = join(directory, 'state', 'known_hosts');
  expect(await readdir(directoryOf)).toEqual([expect.stringMatching(/^web\.default\.[0-9a-f]+$/)]);
  await printed('--new-host-key');
  expect(await readdir(directoryOf)).toEqual([]);
});

test('where ssh cannot log in it is said what was tried, and what may be wrong', async () => {
  await made();
  await program('ssh', 'exit 255');
  const { exitCode, stderr } = await caplv.run(['ssh', 'web']);
  expect(exitCode).toBe(255);
  expect(stderr).toContain(
    'ssh chose the user (sshUser, --user), 192.168.122.7 was reached through its host (--jump)',
  );
});

test.each([
  [
    'a machine without an address',
    { addresses: [] },
    ['web'],
    /no address of machine\/web is known \[NotFound\]/,
  ],
  ['an address that is none', { addresses: ['-oProxyCommand=x'] }, ['web'], /no address of machine\/web/],
  ['a machine that is not there', {}, ['nobody'], /there is no Machine "nobody"/],
  [
    'a user that ssh would take for an option',
    {},
    ['web', '-l', '-oX'],
    /--user: .*\[InvalidConfiguration\]/,
  ],
  ['a jump host that is none', {}, ['web', '-J', '-oX'], /--jump: .*\[InvalidConfiguration\]/],
])('%s is refused, and ssh is not started', async (_, given, args, says) => {
  await made(given);
  await program('ssh', 'echo started');
  const { stdout, stderr } = await caplv.run(['ssh', ...args]);
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: expect.stringMatching(says) });
});
