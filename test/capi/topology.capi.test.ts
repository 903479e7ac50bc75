/**
 * Verifies a Cluster of the flavour clusterclass: a KubeadmControlPlane and workers, whose Nodes the test registers; and one of the flavour
 * endpoint-range.
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ApiObject } from './api-objects.ts';
import { LibvirtWorld, poll } from './libvirt-world.ts';

let world: LibvirtWorld;

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-topology', 'one');
}, 600_000);

afterAll(() => world?.down());

const generate = async (
  variables: Readonly<Record<string, string>> = {},
  [name, flavor]: readonly [string, string] = ['one', 'clusterclass'],
) => {
  const { host, port } = world.world.workload.endpoint;
  const small = { VCPU: '1', MEMORY_MIB: '128', DISK_GB: '1' };
  const sizes = ['CONTROL_PLANE', 'WORKER'].flatMap((role) =>
    Object.entries(small).map(([name, value]) => [`${role}_${name}`, value]),
  );
  return world.world.capi.clusterctl(
    [
      ...['generate', 'cluster', name, '--infrastructure=libvirt', `--flavor=${flavor}`],
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
  await world.world.workload.registerNodes(await provided('workers'));
  const machines = (await world.list('Machine')).filter((one) => !isControlPlane(one));
  return machines.filter(({ status }) => status?.phase === 'Running').length;
}

/** Bootstrap data of the first machine of a control plane. */
async function bootstrapData(cluster: string): Promise<string> {
  const [machine] = (await world.list('Machine')).filter(
    (one) => isControlPlane(one) && one.metadata.labels?.['cluster.x-k8s.io/cluster-name'] === cluster,
  );
  const bootstrap = machine?.spec?.['bootstrap'] as { dataSecretName?: string } | undefined;
  const name = bootstrap?.dataSecretName ?? '';
  const secret = (await world.get('secrets', name)) as { data?: { value?: string } } | undefined;
  return Buffer.from(secret?.data?.value ?? '', 'base64').toString();
}

it('the first machine of a KubeadmControlPlane is created with its own bootstrap data', async () => {
  await world.world.workload.lendAuthority(world.world.objects);
  await world.world.objects.applyText(await generate());
  await expect.poll(async () => (await provided('control plane')).length, poll).toBe(1);
  expect(await bootstrapData('one')).toContain('kubeadm init');
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

/** Runs the command of the bootstrap data that tells kube-vip its address, on files as cloud-init writes them. Returns kube-vip's. */
async function kubeVipOf(data: string): Promise<string> {
  const { write_files: files, runcmd } = parse(data) as {
    readonly write_files: readonly { readonly path: string; readonly content: string }[];
    readonly runcmd: readonly string[];
  };
  const directory = await mkdtemp(join(tmpdir(), 'caplv-kube-vip-'));
  try {
    const at = (path: string) => join(directory, path.slice(path.lastIndexOf('/') + 1));
    for (const { path, content } of files) await writeFile(at(path), content);
    const command = runcmd.find((one) => one.includes('s/CONTROL_PLANE_ENDPOINT/')) ?? '';
    const moved = command.replaceAll(/\/(run\/kubeadm|etc\/kubernetes\/manifests)\//g, `${directory}/`);
    await execa('sh', ['-c', moved]);
    return await readFile(at('/kube-vip.yaml'), 'utf8');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

it('a cluster of the flavour endpoint-range is given a free address of its range, which kubeadm and kube-vip are told', async () => {
  const range = {
    CONTROL_PLANE_ENDPOINT_FROM: '192.168.122.200',
    CONTROL_PLANE_ENDPOINT_TO: '192.168.122.209',
    CONTROL_PLANE_ENDPOINT_PORT: '6443',
  };
  await world.world.objects.applyText(await generate(range, ['ranged', 'endpoint-range']));
  await expect.poll(() => bootstrapData('ranged'), poll).toContain('kubeadm init');
  const data = await bootstrapData('ranged');
  expect(data).toContain('controlPlaneEndpoint: 192.168.122.200:6443');
  expect(await kubeVipOf(data)).toMatch(/name: address, value: "192\.168\.122\.200"/);
  await world.delete('Cluster', 'ranged');
  await world.leavesNothing('ranged');
  expect(await world.virsh(0, 'net-dumpxml', 'default')).not.toContain('caplv-endpoint-');
}, 600_000);
