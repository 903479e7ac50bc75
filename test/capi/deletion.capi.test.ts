/** Verifies that a Cluster can be deleted at each stage of its life, although the controller is killed meanwhile. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { bareCluster, bootstrapSecret, LibvirtWorld, poll } from './libvirt-world.ts';

let world: LibvirtWorld;

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-deletion', 'unused');
  await world.world.objects.apply(bootstrapSecret('boot'));
}, 600_000);

afterAll(() => world?.down());

const apply = (...objects: readonly object[]) => world.world.objects.apply(...objects);

const workers = (cluster: string, replicas: number) => [
  world.template(`${cluster}-md`),
  world.deployment(`${cluster}-md`, cluster, replicas),
];

const domainsOf = async (cluster: string) =>
  (await world.domains()).filter((name) => name.startsWith(`default.capi~${cluster}-`));

/** Deletes it, and kills the controller once the deletion has reached its objects. */
async function deleteWithCrash(cluster: string): Promise<void> {
  await world.delete('Cluster', cluster);
  const isReached = async () => {
    const own = await world.get('LibvirtCluster', cluster);
    const machines = await world.list('LibvirtMachine');
    return !own || [own, ...machines].some(({ metadata }) => metadata.deletionTimestamp !== undefined);
  };
  await expect.poll(isReached, { ...poll, interval: 20 }).toBe(true);
  await world.crash();
  await world.leavesNothing(cluster);
}

it('before its infrastructure is ready', async () => {
  const endpoint = { controlPlaneEndpoint: undefined };
  await apply(world.libvirtCluster('early', endpoint), bareCluster('early'), ...workers('early', 1));
  await world.says('LibvirtCluster', 'early', /^False WaitingForControlPlaneEndpoint/);
  await expect.poll(async () => (await world.list('LibvirtMachine')).length, poll).toBe(1);
  await deleteWithCrash('early');
});

it('while its first machine is created', async () => {
  await apply(world.libvirtCluster('birth'), bareCluster('birth'), ...workers('birth', 1));
  const isPlaced = async () =>
    (await world.list('LibvirtMachine')).some(
      ({ status }) => (status?.['providerStatus'] as { pinned?: object } | undefined)?.pinned !== undefined,
    );
  await expect.poll(isPlaced, { ...poll, interval: 20 }).toBe(true);
  await deleteWithCrash('birth');
});

it('when it runs, also while the core manager is away for a while', async () => {
  await apply(world.libvirtCluster('grown'), bareCluster('grown'), ...workers('grown', 2));
  await expect.poll(() => domainsOf('grown'), poll).toHaveLength(2);
  await world.delete('Cluster', 'grown');
  await world.world.capi.stop('cluster-api');
  await world.crash();
  await world.world.capi.start('cluster-api');
  await world.leavesNothing('grown');
});

it('while a rolling update goes on', async () => {
  await apply(world.libvirtCluster('rolling'), bareCluster('rolling'), ...workers('rolling', 2));
  await expect.poll(() => domainsOf('rolling'), poll).toHaveLength(2);
  await apply(world.template('rolling-new', { memoryMiB: 160 }));
  const infrastructureRef = { name: 'rolling-new' };
  await world.patch('MachineDeployment', 'rolling-md', {
    spec: { template: { spec: { infrastructureRef } } },
  });
  await expect.poll(() => domainsOf('rolling'), poll).toHaveLength(3);
  await deleteWithCrash('rolling');
});
