/** Verifies that clusterctl installs a release and generates clusters from its templates. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { downloadModule } from '../lab/capi/programs.ts';
import { CapiWorld } from './capi-world.ts';
import { release } from './release.ts';

const poll = { timeout: 60_000, interval: 200 };
const VARIABLES = {
  LIBVIRT_URI: 'qemu:///system',
  LIBVIRT_IMAGE_URI: '/var/lib/images/kubeadm-1.36.3.qcow2',
  CONTROL_PLANE_ENDPOINT_HOST: '192.168.122.10',
};

let directory: string;
let components: string;
let world: CapiWorld;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-release-'));
  components = await release(directory);
  world = await CapiWorld.up('unused', { infrastructure: components });
});

afterAll(async () => {
  await world?.down();
  await rm(directory, { recursive: true, force: true });
});

const generate = (name: string, ...flags: readonly string[]) =>
  world.capi.clusterctl(
    [
      ...['generate', 'cluster', name, '--infrastructure=libvirt', '--kubernetes-version=v1.36.3'],
      ...[
        '--target-namespace=default',
        '--control-plane-machine-count=1',
        '--worker-machine-count=2',
        ...flags,
      ],
    ],
    VARIABLES,
  );

it('a user can verify a download with the checksums', async () => {
  const { stdout } = await execa('sha256sum', ['--check', 'SHA256SUMS'], { cwd: dirname(components) });
  expect(stdout).toMatch(/infrastructure-components.yaml: OK/);
});

it('clusterctl init installs the kinds and the controller of the provider, and nothing of another API', async () => {
  const { kube } = world;
  const kubectl = async (...args: readonly string[]) =>
    (await execa(kube.kubectl, [`--kubeconfig=${kube.kubeconfig}`, ...args])).stdout.split('\n');
  expect(await kubectl('get', 'providers', '--namespace=caplv-system', '--output=name')).toEqual([
    'provider.clusterctl.cluster.x-k8s.io/infrastructure-libvirt',
  ]);
  const ours = '--selector=cluster.x-k8s.io/provider=infrastructure-libvirt';
  expect(await kubectl('get', 'customresourcedefinitions', '--output=name', ours)).toEqual(
    ['clusters', 'clustertemplates', 'machines', 'machinetemplates'].map(
      (plural) =>
        `customresourcedefinition.apiextensions.k8s.io/libvirt${plural}.infrastructure.cluster.x-k8s.io`,
    ),
  );
  expect(
    await kubectl('get', 'deployments,serviceaccounts', '--namespace=caplv-system', '--output=name', ours),
  ).toEqual(['deployment.apps/caplv-controller', 'serviceaccount/caplv-controller']);
});

describe('clusterctl generate cluster', () => {
  it('writes a cluster that the API server accepts unchanged, whose address kube-vip serves', async () => {
    await world.objects.applyText(await generate('plain'));
    const controlPlane = await world.objects.get('kubeadmcontrolplanes', 'plain-control-plane');
    expect(JSON.stringify(controlPlane?.spec)).toContain('value: \\"192.168.122.10\\"');
    expect(await world.capi.clusterctl(['describe', 'cluster', 'plain'])).toMatch(
      /KubeadmControlPlane default\/plain-control-plane, v1\.36\.3.*LibvirtCluster default\/plain/s,
    );
  });

  it('with the flavour clusterclass also writes the class, from which the topology controller creates the same objects', async () => {
    await world.objects.applyText(await generate('topology', '--flavor=clusterclass'));
    const templatesOf = async () =>
      (await world.objects.list('libvirtmachinetemplates'))
        .filter(({ metadata }) => metadata.labels?.['cluster.x-k8s.io/cluster-name'] === 'topology')
        .map(({ spec }) => (spec as { template: { spec: object } }).template.spec);
    const image = { imageURI: VARIABLES.LIBVIRT_IMAGE_URI, vcpu: 2, rootDisk: { sizeGB: 20 } };
    await expect
      .poll(templatesOf, poll)
      .toEqual(
        expect.arrayContaining([
          expect.objectContaining({ ...image, memoryMiB: 4096 }),
          expect.objectContaining({ ...image, memoryMiB: 2048 }),
        ]),
      );
    const [cluster] = (await world.objects.list('libvirtclusters')).filter(({ metadata }) =>
      metadata.name.startsWith('topology'),
    );
    expect(cluster?.spec).toMatchObject({
      uri: VARIABLES.LIBVIRT_URI,
      network: { name: 'default' },
      controlPlaneEndpoint: { host: '192.168.122.10', port: 6443 },
    });
  });

  it('with the flavour ignition lets each machine read its instance id and name from its firmware', async () => {
    const text = await generate('flat', '--flavor=ignition');
    expect(text.match(/^ +format: ignition$/gm)).toHaveLength(2);
    expect(text.match(/dmi\/id\/product_serial/g)).toHaveLength(2);
    expect(text).toContain('libvirt:///caplv-instance-id');
    expect(text).not.toContain('ds.meta_data');
  });

  it('with the flavour rke2 writes objects that the providers of RKE2 accept', async () => {
    const { Dir } = await downloadModule('github.com/rancher/cluster-api-provider-rke2', '0.21.0');
    for (const part of ['bootstrap', 'controlplane'])
      await world.objects.applyFile(join(Dir, part, 'config/crd/bases'));
    const lines = await world.objects.dryRun(await generate('rke', '--flavor=rke2'));
    expect(lines).toContain(
      'rke2controlplane.controlplane.cluster.x-k8s.io/rke-control-plane serverside-applied (server dry run)',
    );
    expect(lines).toHaveLength(7);
  });
});
