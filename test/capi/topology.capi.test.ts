/** Verifies a Cluster of the flavour clusterclass: a KubeadmControlPlane and workers, whose Nodes the test registers. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiObject } from './api-objects.ts';
import { LibvirtWorld, poll } from './libvirt-world.ts';

let world: LibvirtWorld;

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-topology', 'one');
}, 600_000);

afterAll(() => world?.down());

const generate = async (variables: Readonly<Record<string, string>> = {}) => {
  const { host, port } = world.world.workload.endpoint;
  const small = { VCPU: '1', MEMORY_MIB: '128', DISK_GB: '1' };
  const sizes = ['CONTROL_PLANE', 'WORKER'].flatMap((role) =>
    Object.entries(small).map(([name, value]) => [`${role}_${name}`, value]),
  );
  return world.world.capi.clusterctl(
    [
      ...['generate', 'cluster', 'one', '--infrastructure=libvirt', '--flavor=clusterclass'],
      ...['--kubernetes-version=v1.36.3', '--target-namespace=default'],
    ],
    {
      LIBVIRT_URI: world.lab.hosts[0]?.uri ?? '',
      LIBVIRT_IMAGE_URI: world.lab.imagePath,
      CONTROL_PLANE_ENDPOINT_HOST: host,
      CONTROL_PLANE_ENDPOINT_PORT: String(port),
      CONTROL_PLANE_MACHINE_COUNT: '1',
      WORKER_MACHINE_COUNT: '1',
      ...Object.fromEntries(sizes),
      ...variables,
    },
  );
};

const isControlPlane = ({ metadata }: ApiObject) =>
  metadata.labels?.['cluster.x-k8s.io/control-plane'] !== undefined;

/** The Machines that have a virtual machine, of the control plane or of the workers. */
async function provided(of: 'control plane' | 'workers'): Promise<ApiObject[]> {
  return (await world.list('LibvirtMachine')).filter(
    (one) =>
      isControlPlane(one) === (of === 'control plane') &&
      one.spec?.providerID !== undefined &&
      one.metadata.deletionTimestamp === undefined,
  );
}

/** Registers the Nodes of the workers, as their kubelets would; then counts the running workers. */
async function runningWorkers(): Promise<number> {
  const { workload } = world.world;
  const nodes = new Set((await workload.objects.list('nodes')).map(({ metadata }) => metadata.name));
  for (const { metadata, spec } of await provided('workers'))
    if (!nodes.has(metadata.name)) await workload.registerNode(metadata.name, spec?.providerID ?? '');
  const machines = (await world.list('Machine')).filter((one) => !isControlPlane(one));
  return machines.filter(({ status }) => status?.phase === 'Running').length;
}

it('the first machine of a KubeadmControlPlane is created with its own bootstrap data', async () => {
  await world.world.workload.lendAuthority(world.world.objects);
  await world.world.objects.applyText(await generate());
  await expect.poll(async () => (await provided('control plane')).length, poll).toBe(1);
  const [machine] = (await world.list('Machine')).filter(isControlPlane);
  const bootstrap = machine?.spec?.['bootstrap'] as { dataSecretName?: string } | undefined;
  const name = bootstrap?.dataSecretName ?? '';
  const secret = (await world.get('secrets', name)) as { data?: { value?: string } } | undefined;
  expect(Buffer.from(secret?.data?.value ?? '', 'base64').toString()).toContain('kubeadm init');
  expect(await world.domains()).toHaveLength(1);
});

it('its workers are created when the control plane is initialized, and join it', async () => {
  // What kubeadm init leaves behind.
  await world.world.workload.objects.applyElsewhere('kube-system', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kubeadm-config', namespace: 'kube-system' },
    data: { ClusterConfiguration: 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n' },
  });
  await expect.poll(runningWorkers, poll).toBe(1);
  expect(await world.domains()).toHaveLength(2);
});

it('a change of the topology creates a new template, and rolls and scales the workers, also with a crash in between', async () => {
  const [before] = await provided('workers');
  await world.world.objects.applyText(await generate({ WORKER_MEMORY_MIB: '160' }));
  const isRolled = async () => {
    await runningWorkers();
    const now = (await world.list('LibvirtMachine')).filter((one) => !isControlPlane(one));
    return now.length === 1 && now[0]?.metadata.name !== before?.metadata.name;
  };
  await expect.poll(isRolled, poll).toBe(true);
  expect((await provided('workers'))[0]?.spec).toMatchObject({ memoryMiB: 160 });
  await world.world.objects.applyText(
    await generate({ WORKER_MEMORY_MIB: '160', WORKER_MACHINE_COUNT: '2' }),
  );
  await world.crash();
  await expect.poll(runningWorkers, poll).toBe(2);
  expect(await world.domains()).toHaveLength(3);
});

it('the Cluster is deleted with all its machines, and its class stays', async () => {
  await world.delete('Cluster', 'one');
  await world.leavesNothing('one');
  expect(await world.list('clusterclasses')).toHaveLength(1);
}, 600_000);
