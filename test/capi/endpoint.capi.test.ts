/** Verifies control plane endpoints from a range, with Cluster API's managers and the rights of deploy/. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { CapiLab } from '../lab/capi/capi-lab.ts';

const soon = { timeout: 180_000, interval: 200 };
const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const RANGE = { from: '192.168.122.200', to: '192.168.122.201' };

let lab: ClusterLab;
let capi: CapiLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-endpoint', 1, { controllerManager: true });
  await lab.kubectl('create', 'namespace', 'caplv-system');
  await lab.kubectl('create', 'namespace', 'other');
  for (const folder of ['rbac', 'infrastructure/rbac', 'infrastructure/crds'])
    await lab.kubectl('apply', '-k', join(DEPLOY, folder));
  capi = await CapiLab.up({ kube: lab.kube, dir: await mkdtemp(join(tmpdir(), 'caplv-capi-')) });
  const kubeconfig = await lab.kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
  const env = { ...lab.env(), CAPLV_KUBECONFIG: kubeconfig };
  controller = await ControllerProcess.start(env, ['--namespace', 'caplv-system']);
}, 900_000);

afterAll(async () => {
  await controller?.stop();
  await capi?.down();
  await lab?.down();
});

const LIBVIRT_CLUSTER = 'libvirtclusters.infrastructure.cluster.x-k8s.io';
const CLUSTER = 'clusters.cluster.x-k8s.io';

function cluster(name: string, namespace = 'default', spec: object = {}): object[] {
  return [
    {
      apiVersion: 'infrastructure.cluster.x-k8s.io/v1alpha1',
      kind: 'LibvirtCluster',
      metadata: { name, namespace },
      spec: { uri: lab.lab.hosts[0]?.uri, controlPlaneEndpointRange: RANGE, ...spec },
    },
    {
      apiVersion: 'cluster.x-k8s.io/v1beta2',
      kind: 'Cluster',
      metadata: { name, namespace },
      spec: {
        infrastructureRef: {
          apiGroup: 'infrastructure.cluster.x-k8s.io',
          kind: 'LibvirtCluster',
          name,
        },
      },
    },
  ];
}

async function endpoint(kind: string, name: string, namespace = 'default'): Promise<string> {
  const path = '{.spec.controlPlaneEndpoint.host}:{.spec.controlPlaneEndpoint.port}';
  return lab.kubectl('get', kind, name, '-n', namespace, '-o', `jsonpath=${path}`);
}

const ready = (name: string) =>
  lab.kubectl(
    'get',
    LIBVIRT_CLUSTER,
    name,
    '-o',
    'jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.reason}: {.message}{end}',
  );

const claims = async () =>
  [...(await lab.virsh('net-dumpxml', 'default')).matchAll(/caplv-endpoint-\S+ ip='([^']+)'/g)]
    .map(([, ip]) => ip)
    .sort();

const ADDRESSES = ['192.168.122.200', '192.168.122.201'];

it('two clusters of two namespaces that are created at once get different addresses, which Cluster API takes over', async () => {
  await lab.apply(...cluster('one'), ...cluster('one', 'other'));
  const given = () => Promise.all(['default', 'other'].map((place) => endpoint(CLUSTER, 'one', place)));
  await expect.poll(async () => (await given()).sort(), soon).toEqual(ADDRESSES.map((ip) => `${ip}:6443`));
  const own = await Promise.all(['default', 'other'].map((place) => endpoint(LIBVIRT_CLUSTER, 'one', place)));
  expect(own).toEqual(await given());
  await expect.poll(() => ready('one'), soon).toMatch(/^True/);
  expect(await claims()).toEqual(ADDRESSES);
});

it('a copy from a backup that has the address of a running cluster is not ready, and names that cluster', async () => {
  const [host = ''] = (await endpoint(LIBVIRT_CLUSTER, 'one')).split(':');
  await lab.apply(...cluster('copy', 'default', { controlPlaneEndpoint: { host, port: 6443 } }));
  await expect
    .poll(() => ready('copy'), soon)
    .toMatch(/^False AddressInUse: .*the control plane endpoint of LibvirtCluster "default\/one"/);
  await lab.kubectl('delete', CLUSTER, 'copy');
  expect(await claims()).toEqual(ADDRESSES);
});

it('a range that is used up is named, and the cluster is given the address of the next one that is deleted', async () => {
  await lab.apply(...cluster('late'));
  await expect
    .poll(() => ready('late'), soon)
    .toMatch(
      /^False AddressInUse: spec\.controlPlaneEndpointRange: .*192\.168\.122\.200 to 192\.168\.122\.201/,
    );
  const freed = await endpoint(LIBVIRT_CLUSTER, 'one', 'other');
  await lab.kubectl('delete', CLUSTER, 'one', '-n', 'other');
  await expect.poll(() => endpoint(LIBVIRT_CLUSTER, 'late'), soon).toBe(freed);
  await expect.poll(() => ready('late'), soon).toMatch(/^True/);
});

it('deleted clusters leave no address reserved', async () => {
  await lab.kubectl('delete', CLUSTER, 'one', 'late');
  await expect.poll(claims, soon).toEqual([]);
});

it('each Cluster of a ClusterClass whose template has a range is given an address of its own, which its topology leaves alone', async () => {
  const infrastructure = 'infrastructure.cluster.x-k8s.io/v1alpha1';
  const metadata = (name: string) => ({ name, namespace: 'default' });
  const reference = (apiVersion: string, kind: string) => ({
    templateRef: { apiVersion, kind, name: 'ranged' },
  });
  const controlPlane = 'controlplane.cluster.x-k8s.io/v1beta2';
  const uri = lab.lab.hosts[0]?.uri;
  const machine = { vcpu: 1, memoryMiB: 128, imageURI: lab.lab.imagePath, running: false };
  const topology = { classRef: { name: 'ranged' }, version: 'v1.36.3', controlPlane: { replicas: 1 } };
  await lab.apply(
    {
      apiVersion: infrastructure,
      kind: 'LibvirtClusterTemplate',
      metadata: metadata('ranged'),
      spec: { template: { spec: { uri, controlPlaneEndpointRange: RANGE } } },
    },
    {
      apiVersion: infrastructure,
      kind: 'LibvirtMachineTemplate',
      metadata: metadata('ranged'),
      spec: { template: { spec: { ...machine, shutdownTimeoutSeconds: 0 } } },
    },
    {
      apiVersion: controlPlane,
      kind: 'KubeadmControlPlaneTemplate',
      metadata: metadata('ranged'),
      spec: { template: { spec: { kubeadmConfigSpec: { preKubeadmCommands: ['true'] } } } },
    },
    {
      apiVersion: 'cluster.x-k8s.io/v1beta2',
      kind: 'ClusterClass',
      metadata: metadata('ranged'),
      spec: {
        infrastructure: reference(infrastructure, 'LibvirtClusterTemplate'),
        controlPlane: {
          ...reference(controlPlane, 'KubeadmControlPlaneTemplate'),
          machineInfrastructure: reference(infrastructure, 'LibvirtMachineTemplate'),
        },
      },
    },
  );
  const names = ['first', 'second'];
  await lab.apply(
    ...names.map((name) => ({
      ...{ apiVersion: 'cluster.x-k8s.io/v1beta2', kind: 'Cluster', metadata: metadata(name) },
      spec: { topology },
    })),
  );
  const given = async () => (await Promise.all(names.map((name) => endpoint(CLUSTER, name)))).sort();
  await expect.poll(given, soon).toEqual(ADDRESSES.map((ip) => `${ip}:6443`));
  // The topology controller continues with its machines, and does not undo the address.
  const made = async () => (await lab.virsh('list', '--all', '--name')).split('\n').filter(Boolean).length;
  await expect.poll(made, soon).toBe(2);
  const reconciled = 'jsonpath={.status.conditions[?(@.type=="TopologyReconciled")].status}';
  for (const name of names)
    await expect.poll(() => lab.kubectl('get', CLUSTER, name, '-o', reconciled), soon).toBe('True');
  expect(await given()).toEqual(ADDRESSES.map((ip) => `${ip}:6443`));
  await lab.kubectl('delete', CLUSTER, ...names);
  await expect.poll(claims, soon).toEqual([]);
});
