/**
 * Verifies that a mistake of a user, or a missing dependency, is named by a condition, and that the work continues when the
 * cause ends. All tests use one Cluster, `fuji`.
 */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { bareCluster, bootstrapSecret, LibvirtWorld, poll } from './libvirt-world.ts';
import { STAND_IN_POOL, StandInPool } from './stand-in-pool.ts';

let world: LibvirtWorld;

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-bad-input', 'unused', 2);
  await world.world.objects.apply(world.libvirtCluster('fuji'), bareCluster('fuji'), bootstrapSecret('boot'));
}, 600_000);

afterAll(() => world?.down());

const apply = (...objects: readonly object[]) => world.world.objects.apply(...objects);
const machineSays = (name: string, what: RegExp) => world.says('LibvirtMachine', name, what);
const uuid = (host: number, name: string) => world.virsh(host, 'domuuid', `default.capi~${name}`);

async function removeMachine(name: string): Promise<void> {
  await world.delete('Machine', name);
  await expect.poll(() => world.get('LibvirtMachine', name), poll).toBeUndefined();
  expect(await world.domains()).not.toContain(`default.capi~${name}`);
}

it('a LibvirtMachine without a Machine says that it waits for its owner, and can be deleted', async () => {
  const [alone] = world.machine('alone', 'fuji');
  await apply(alone);
  await machineSays('alone', /^False WaitingForOwner: no Machine of cluster\.x-k8s\.io owns it;/);
  await world.delete('LibvirtMachine', 'alone');
  await expect.poll(() => world.get('LibvirtMachine', 'alone'), poll).toBeUndefined();
});

it('a Machine whose Cluster is in another namespace names the missing Cluster, and is created when it exists', async () => {
  const elsewhere = bareCluster('far') as { metadata: object };
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } });
  const far = { ...elsewhere, metadata: { ...elsewhere.metadata, namespace: 'elsewhere' } };
  await world.world.objects.applyElsewhere('elsewhere', far);
  await apply(...world.machine('stray', 'far'));
  await machineSays('stray', /^False WaitingForCluster: there is no Cluster "far"/);
  await apply(world.libvirtCluster('far'), bareCluster('far'));
  await machineSays('stray', /^True/);
  await world.delete('Cluster', 'far');
  await expect.poll(() => world.get('Cluster', 'far'), poll).toBeUndefined();
  expect(await world.domains()).toEqual([]);
});

it('an infrastructureRef to the wrong kind is named, at a Machine and at a Cluster', async () => {
  const [, named] = world.machine('crossed', 'fuji') as [object, { spec: { infrastructureRef: object } }];
  const machineRef = { ...named.spec.infrastructureRef, kind: 'LibvirtCluster', name: 'crossed' };
  await apply(world.libvirtCluster('crossed'), {
    ...named,
    spec: { ...named.spec, infrastructureRef: machineRef },
  });
  await world.says('LibvirtCluster', 'crossed', /^False WaitingForOwner: .*its owner is Machine "crossed"/);
  const [victim, ofVictim] = world.machine('victim', 'wrong');
  const infrastructureRef = { ...named.spec.infrastructureRef, name: 'victim' };
  await apply(victim, bareCluster('wrong', { infrastructureRef }));
  await machineSays('victim', /^False WaitingForOwner: .*its owner is Cluster "wrong"/);
  // Corrected: its own LibvirtCluster, and a Machine for the machine.
  await apply(world.libvirtCluster('wrong'), bareCluster('wrong'), ofVictim);
  await machineSays('victim', /^True/);
  await world.delete('Machine', 'crossed');
  await world.delete('Cluster', 'wrong');
  await expect.poll(() => world.get('Cluster', 'wrong'), poll).toBeUndefined();
  await expect.poll(() => world.get('LibvirtCluster', 'crossed'), poll).toBeUndefined();
});

it('a template that is changed in place is refused, and its machines stay as they are', async () => {
  await apply(world.template('workers'), world.deployment('workers', 'fuji', 1));
  await expect.poll(() => world.domains(), poll).toHaveLength(1);
  await expect(
    world.patch('libvirtmachinetemplates', 'workers', { spec: { template: { spec: { memoryMiB: 256 } } } }),
  ).rejects.toThrow(/does not change; make another one/);
  await world.delete('MachineDeployment', 'workers');
  await expect.poll(() => world.domains(), poll).toEqual([]);
});

it('a bootstrap Secret that is deleted, or changed, does not change the machine that was created from it', async () => {
  await apply(bootstrapSecret('own-boot'), ...world.machine('kept', 'fuji', { machine: withSecret }));
  await machineSays('kept', /^True/);
  const host = (await world.get('LibvirtMachine', 'kept'))?.status?.['failureDomain'] === 'rack1' ? 0 : 1;
  const before = await uuid(host, 'kept');
  await world.delete('secrets', 'own-boot');
  await machineSays('kept', /^False UserDataNotFound: .*Secret "own-boot"/);
  expect(await uuid(host, 'kept')).toBe(before);
  await apply(bootstrapSecret('own-boot', '#cloud-config\nhostname: changed\n'));
  await machineSays('kept', /^False ReplaceRefused/);
  expect(await uuid(host, 'kept')).toBe(before);
  await apply(bootstrapSecret('own-boot'));
  await machineSays('kept', /^True/);
  expect(await uuid(host, 'kept')).toBe(before);
  await removeMachine('kept');
});

const withSecret = { bootstrap: { dataSecretName: 'own-boot' } };

it('a failure domain without a host is named with the known ones, and the machine is created when a host is in it', async () => {
  await apply(...world.machine('placed', 'fuji', { machine: { failureDomain: 'rack9' } }));
  await machineSays('placed', /^False InvalidConfiguration: .*"rack9".*rack1, rack2/);
  expect(await world.condition('LibvirtMachine', 'placed')).not.toContain('providerSpec');
  const [first, second] = world.lab.hosts.map(({ uri }, index) => ({ name: `rack${index + 1}`, uri }));
  await world.patch('LibvirtCluster', 'fuji', {
    spec: { hosts: [first, { ...second, failureDomain: 'rack9' }] },
  });
  await machineSays('placed', /^True/);
  expect(await uuid(1, 'placed')).not.toBe('');
  await world.patch('LibvirtCluster', 'fuji', { spec: { hosts: [first, second] } });
  await removeMachine('placed');
});

it('a host that is unreachable is named by its machines, and they recover when it is back', async () => {
  await apply(...world.machine('offline', 'fuji', { machine: { failureDomain: 'rack2' } }));
  await machineSays('offline', /^True/);
  const before = await uuid(1, 'offline');
  await world.lab.hosts[1]?.stopLibvirtd();
  await machineSays('offline', /LibvirtUnreachable/);
  await apply(...world.machine('pending', 'fuji', { machine: { failureDomain: 'rack2' } }));
  await machineSays('pending', /^False LibvirtUnreachable/);
  await world.lab.hosts[1]?.startLibvirtd();
  await machineSays('offline', /^True/);
  await machineSays('pending', /^True/);
  expect(await uuid(1, 'offline')).toBe(before);
  await removeMachine('offline');
  await removeMachine('pending');
});

/** The CustomResourceDefinitions of Cluster API for addresses, as they were installed. */
async function ipamKinds(): Promise<object[]> {
  const names = ['ipaddressclaims', 'ipaddresses'].map((plural) => `${plural}.ipam.cluster.x-k8s.io`);
  const found = await Promise.all(names.map((name) => world.get('customresourcedefinitions', name)));
  return found.map((one) => {
    const { apiVersion, kind, metadata, spec } = one ?? {};
    const { name, labels, annotations } = metadata ?? {};
    return { apiVersion, kind, metadata: { name, labels, annotations }, spec };
  });
}

it('kinds of IPAM that are not installed are named, and taken up when they are, without a restart of the controller', async () => {
  const kinds = await ipamKinds();
  for (const { metadata } of kinds as { metadata: { name: string } }[])
    await world.delete('customresourcedefinitions', metadata.name);
  const left = async () =>
    (await world.list('customresourcedefinitions')).map(({ metadata }) => metadata.name);
  await expect.poll(left, poll).not.toEqual(expect.arrayContaining([expect.stringMatching(/^ipaddress/)]));
  await world.crash();
  const interfaces = [{ network: 'default', addressesFromPools: [STAND_IN_POOL] }];
  await apply(...world.machine('pooled', 'fuji', { libvirt: { interfaces } }));
  await machineSays('pooled', /^False IPAMNotInstalled: /);
  await apply(...kinds);
  await machineSays('pooled', /^False PoolKindUnknown: /);
  const pool = new StandInPool(world.world.objects);
  await pool.grant('pooled-0-0', { address: '192.168.122.77', prefix: 24, gateway: '192.168.122.1' });
  await machineSays('pooled', /^True/);
  await removeMachine('pooled');
  expect(await pool.claim('pooled-0-0')).toBeUndefined();
});
