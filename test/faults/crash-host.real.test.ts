/** Verifies that the networks, pools and images of a host survive when caplv and its processes are killed. */

import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cluster, machine, manifest } from '../e2e/manifests.ts';
import { useStandalone } from '../e2e/standalone.ts';
import { EVERYTHING, useFaultPoints } from './fault-points.ts';
import { record } from './record.ts';

const here = useStandalone('crash-host');
const faults = useFaultPoints(() => here().lab);

interface TerraformState {
  readonly resources: readonly { readonly type: string }[];
}

const poolPath = () => join(here().host.directory, 'shared');
const ADDRESS = '10.17.4.0/24';
let networkAddress = ADDRESS;
const shared = () =>
  cluster('shared', {
    network: { name: 'shared', mode: 'nat', addresses: [networkAddress], bridge: 'shared0' },
    pool: { name: 'shared', path: poolPath() },
  });
const objects = () => manifest(shared(), machine('first', here().image));

const call = (...args: readonly string[]) =>
  here().caplv.run([...args, '-f', '-'], { env: faults().env(), input: objects() });

async function succeeded(...args: readonly string[]): Promise<string> {
  const { exitCode, stderr } = await call(...args);
  expect(exitCode, stderr).toBe(0);
  return stderr;
}

/** Kills the run as soon as the network or pool exists, before Terraform has written that to its state. */
async function killAt(address: string): Promise<void> {
  await faults().arm('host', EVERYTHING, `create_complete ${address}`);
  expect((await call('apply')).exitCode).toBeUndefined();
  expect(faults().isHit('host')).toBe(true);
  // Terraform may have been faster.
  await rm(await stateFile(), { force: true });
}

async function stateFile(): Promise<string> {
  const hosts = join(here().stateDir, 'hosts');
  const [host = ''] = await readdir(hosts);
  return join(hosts, host, 'terraform.tfstate');
}

const faultAt = (address: string) => `SIGKILL of caplv, terraform and the provider, ${address} just made`;
const uuids = () => Promise.all([here().virsh('net-uuid', 'shared'), here().virsh('pool-uuid', 'shared')]);

afterEach(async () => {
  networkAddress = ADDRESS;
  await succeeded('delete');
  expect(await here().domains()).toEqual([]);
  expect(await here().virsh('net-list', '--all', '--name')).not.toContain('shared');
  expect(await here().virsh('pool-list', '--all', '--name')).not.toContain('shared');
  expect(existsSync(poolPath())).toBe(false);
  expect(await here().stateFiles()).toEqual([]);
});

const both = [
  ['network', 'libvirt_network.network_shared', 'net'],
  ['pool', 'libvirt_pool.pool_shared', 'pool'],
] as const;

test.for(both)('a %s that a killed run created, and no state has, is imported', async (row, context) => {
  const [, address, command] = row;
  await killAt(address);
  const made = (await here().virsh(`${command}-uuid`, 'shared')).trim();
  expect(await succeeded('apply', '-v')).toMatch(/Terraform state of .* back from import .*shared/);
  expect((await uuids()).map((uuid) => uuid.trim())).toContain(made);
  expect(await here().virsh(`${command}-info`, 'shared')).toMatch(/Autostart: +yes/);
  // The import was complete: nothing is created again for the next machine.
  const before = await uuids();
  expect(await succeeded('apply', '-v')).not.toContain('back from');
  expect(await uuids()).toEqual(before);
  record(context, {
    fault: faultAt(address),
    seen: 'StateRecovered',
    outcome: 'taken into the state, by import',
  });
});

/** What a terraform has written of a state that was killed while it wrote. */
const PARTS = { nothing: '', 'the first half': '{"version": 4, "terraform_version": "1.11.4", "ser' };

/** Killed there, with a part of the state of the host or of its image. */
async function tearAt(verb: string, point: string, folder: 'hosts' | 'images', part: string): Promise<void> {
  await faults().arm('host', EVERYTHING, point);
  expect((await call(verb)).exitCode).toBeUndefined();
  expect(faults().isHit('host')).toBe(true);
  const root = join(here().stateDir, folder);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const dir = entries.find(({ name }) => name === 'unfinished')?.parentPath;
  await writeFile(join(dir ?? '', 'terraform.tfstate'), part);
}

test.for(Object.entries(PARTS))(
  'states of a host and an image of which a killed run wrote %s are set aside and restored',
  async ([written, part], context) => {
    await tearAt('apply', 'create_complete libvirt_network.network_shared', 'hosts', part);
    await tearAt('apply', 'create_complete libvirt_volume.*', 'images', part);
    const said = await succeeded('apply', '-v');
    expect(said).toContain('a killed run left a part of a Terraform state; it is kept aside in');
    expect(await call('plan')).toMatchObject({ exitCode: 0 });
    const before = await uuids();
    await succeeded('apply');
    expect(await uuids()).toEqual(before);
    // The afterEach hook continues with the deletion, and checks it.
    await tearAt('delete', 'delete_complete libvirt_network.network_shared', 'hosts', part);
    record(context, {
      fault: `${faultAt('network or image')}, or the network just gone: ${written} of the state is written`,
      seen: 'the next call goes on',
      outcome: 'known again, or gone',
    });
  },
);

test.for(both)('a %s that a killed run created incompletely is created again', async (row, context) => {
  const [, address, command] = row;
  await killAt(address);
  const made = (await here().virsh(`${command}-uuid`, 'shared')).trim();
  await here().virsh(`${command}-destroy`, 'shared');
  await succeeded('apply');
  expect((await uuids()).map((uuid) => uuid.trim())).not.toContain(made);
  record(context, { fault: `${faultAt(address)}, by half`, seen: '—', outcome: 'created again' });
});

test.for(both)('a %s that a killed run created is removed by a delete', async (row, context) => {
  const [, address] = row;
  await killAt(address);
  // The afterEach hook deletes, and checks.
  record(context, {
    fault: `${faultAt(address)}, then a delete`,
    seen: '—',
    outcome: 'gone, with all of it',
  });
});

test.for([
  ['that has the old one', (state: TerraformState) => state],
  [
    'that has neither',
    ({ resources, ...state }: TerraformState) => ({
      ...state,
      resources: resources.filter(({ type }) => type !== 'libvirt_network'),
    }),
  ],
] as const)(
  'a network that a killed run replaced, with a state %s, is imported into the state',
  async (row, context) => {
    const [which, edited] = row;
    await succeeded('apply');
    const before = edited(JSON.parse(await readFile(await stateFile(), 'utf8')));
    networkAddress = '10.17.5.0/24';
    await faults().arm('host', EVERYTHING, 'create_complete libvirt_network.network_shared');
    expect((await call('apply', '--allow-replace')).exitCode).toBeUndefined();
    await writeFile(await stateFile(), JSON.stringify(before));
    const made = await here().virsh('net-uuid', 'shared');
    const said = await succeeded('apply', '-v');
    expect(said).toMatch(/Terraform state of .* back from import .*shared/);
    expect(said).not.toContain('trying again');
    expect(await here().virsh('net-uuid', 'shared')).toBe(made);
    expect(await here().virsh('net-dumpxml', 'shared')).toContain('10.17.5.1');
    record(context, {
      fault: `${faultAt('in place of another, libvirt_network.network_shared')}, with a state ${which}`,
      seen: 'StateRecovered',
      outcome: 'taken into the state, by import',
    });
  },
);

test('a network that another person created in place of ours is not changed', async () => {
  await succeeded('apply');
  const theirs = (await here().virsh('net-dumpxml', 'shared')).replace(/<uuid>.*<\/uuid>/, '');
  await here().virsh('net-destroy', 'shared');
  await here().virsh('net-undefine', 'shared');
  await here().virsh('net-define', await here().file('theirs.xml', theirs));
  const uuid = await here().virsh('net-uuid', 'shared');
  networkAddress = '10.17.5.0/24';
  const { exitCode, stderr } = await call('apply', '--allow-replace');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('has a network "shared" that the Cluster is to manage');
  expect(await here().virsh('net-uuid', 'shared')).toBe(uuid);
  await here().virsh('net-undefine', 'shared');
});

test('an image that a killed run uploaded into the pool of a Cluster is removed before the pool', async (context) => {
  await here().caplv.read(['apply', '-f', '-'], { input: manifest(shared()) });
  await faults().arm('host', EVERYTHING, 'create_complete libvirt_volume.image_shared__*');
  expect((await call('apply')).exitCode).toBeUndefined();
  // Terraform may have been faster.
  const files = (await here().stateFiles()).filter((file) => /^images\/.*\.tfstate$/.test(file));
  for (const file of files) await rm(join(here().stateDir, file));
  record(context, {
    fault: `${faultAt('the image in libvirt_pool.pool_shared')}, then a delete`,
    seen: '—',
    outcome: 'gone, with all of it',
  });
});
