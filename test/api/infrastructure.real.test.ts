/** Verifies the CRDs of infrastructure.cluster.x-k8s.io, and their rules, at an API server. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { INFRASTRUCTURE_KINDS } from '../../src/api/infrastructure/registry.ts';
import { CLUSTER_API_KINDS } from '../../src/api/kinds/registry.ts';
import type { Client } from '../../src/kube/client/client.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy/infrastructure');
const API = 'infrastructure.cluster.x-k8s.io/v1alpha1';
const SPEC = { vcpu: 2, memoryMiB: 2048, imageURI: '/var/lib/images/debian-12.qcow2' };

let lab: KubeLab;
let client: Client;

beforeAll(async () => {
  lab = await KubeLab.up({ dir: await mkdtemp(join(tmpdir(), 'caplv-infrastructure-')) });
  client = await lab.client();
  await kubectl('apply', '--server-side', '--kustomize', join(DEPLOY, 'crds'));
  await kubectl('apply', '--server-side', '--kustomize', join(DEPLOY, 'admission'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
}, 900_000);

afterAll(async () => {
  client?.close();
  await lab?.down();
});

test('the API server takes the schemas as they are, with the labels by which Cluster API and clusterctl find them', async () => {
  const { items } = JSON.parse(
    await client.raw('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'),
  ) as {
    items: {
      metadata: { name: string; labels: Record<string, string> };
      status: { conditions: { type: string; status: string }[] };
    }[];
  };
  // The format of contract.CalculateCRDName: plural.group.
  expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(
    INFRASTRUCTURE_KINDS.map(({ plural, group }) => `${plural}.${group}`).sort(),
  );
  for (const { metadata, status } of items) {
    expect(metadata.labels).toMatchObject({
      'cluster.x-k8s.io/v1beta2': 'v1alpha1',
      'cluster.x-k8s.io/provider': 'infrastructure-libvirt',
      'clusterctl.cluster.x-k8s.io': '',
    });
    expect(status.conditions).not.toContainEqual(
      expect.objectContaining({ type: 'NonStructuralSchema', status: 'True' }),
    );
  }
});

test.each(INFRASTRUCTURE_KINDS)('kubectl explains the spec of a $kind', async ({ singular }) => {
  // The API server serves the schemas of a group some time after its CRDs are established, and lists them later still.
  const explained = await vi.waitFor(() => kubectl('explain', `${singular}.spec`), {
    timeout: 60_000,
    interval: 200,
  });
  expect(explained).toMatch(/^DESCRIPTION:\n {4}[A-Z]/m);
});

test('one overlay installs both APIs: the API server takes it, and the controller is bound to the roles of both', async () => {
  const built = await kubectl('kustomize', join(DEPLOY, '../both'));
  for (const { plural, group } of [...CLUSTER_API_KINDS, ...INFRASTRUCTURE_KINDS])
    expect(built).toContain(`name: ${plural}.${group}`);
  await kubectl('create', 'namespace', 'caplv-system');
  await kubectl('apply', '--server-side', '--dry-run=server', '--kustomize', join(DEPLOY, '../both'));
  await kubectl('apply', '--server-side', '--kustomize', join(DEPLOY, 'rbac'));
  const subject = '--as=system:serviceaccount:caplv-system:caplv-controller';
  const may = (verb: string, what: string) =>
    kubectl('auth', 'can-i', verb, what, '-A', subject).catch(() => 'no');
  expect(await may('patch', 'libvirtmachines.infrastructure.cluster.x-k8s.io')).toBe('yes');
  expect(await may('delete', 'libvirtmachines.infrastructure.cluster.x-k8s.io')).toBe('no');
});

describe('a LibvirtMachine that is there', () => {
  const change = (name: string, spec: Record<string, unknown>) =>
    kubectl('patch', 'libvirtmachine', name, '--type=merge', '--patch', JSON.stringify({ spec }));

  test('keeps what makes another machine', async () => {
    await make('LibvirtMachine', 'fixed', { ...SPEC, terraform: { output: { a: { value: 1 } } } });
    for (const spec of [
      { vcpu: 4 },
      { memoryMiB: 4096 },
      { imageURI: '/var/lib/images/debian-13.qcow2' },
      { pool: 'other' },
      { disks: [{ name: 'data', sizeGB: 1 }] },
      { interfaces: [{ network: 'other' }] },
      { terraform: { output: { a: { value: 2 } } } },
    ]) {
      const [field] = Object.keys(spec);
      await expect(change('fixed', spec), field).rejects.toThrow(`spec.${field} does not change`);
    }
  });

  test('changes where the virtual machine can change in place, and gets a providerID once', async () => {
    await make('LibvirtMachine', 'changing', SPEC);
    await change('changing', { autostart: true, shutdownTimeoutSeconds: 5, repair: 'Never' });
    await change('changing', { providerID: 'libvirt:///1' });
    await expect(change('changing', { providerID: 'libvirt:///2' })).rejects.toThrow(
      'spec.providerID does not change once it is set',
    );
  });

  test('is configured by the bootstrap provider alone', async () => {
    await expect(make('LibvirtMachine', 'own-data', { ...SPEC, userData: '#cloud-config' })).rejects.toThrow(
      'unknown field "spec.userData"',
    );
  });
});

describe('a template', () => {
  test.each([
    ['LibvirtMachineTemplate', SPEC, { vcpu: 4 }],
    ['LibvirtClusterTemplate', { uri: 'qemu:///system' }, { uri: 'qemu:///session' }],
  ])('%s does not change, except in a dry run of the topology controller', async (kind, spec, changed) => {
    await make(kind, 'one', { template: { spec } });
    const refused = 'does not change; make another one and name it where this one is named';
    const other = {
      apiVersion: API,
      kind,
      metadata: { name: 'one' },
      spec: { template: { spec: { ...spec, ...changed } } },
    };
    await expect(apply(other)).rejects.toThrow(refused);
    await expect(apply(other, '--dry-run=server')).rejects.toThrow(refused);
    const marked = {
      ...other,
      metadata: { name: 'one', annotations: { 'topology.cluster.x-k8s.io/dry-run': '' } },
    };
    await expect(apply(marked)).rejects.toThrow(refused);
    await apply(marked, '--dry-run=server');
  });

  test('passes labels and annotations on, and these may change', async () => {
    await make('LibvirtMachineTemplate', 'labelled', {
      template: { metadata: { labels: { a: 'b' } }, spec: SPEC },
    });
    await apply({
      apiVersion: API,
      kind: 'LibvirtMachineTemplate',
      metadata: { name: 'labelled' },
      spec: { template: { metadata: { labels: { a: 'c' } }, spec: SPEC } },
    });
  });
});

describe('a LibvirtCluster', () => {
  test('names failure domains that its hosts are in', async () => {
    const hosts = [{ name: 'rack1', uri: 'qemu:///system', failureDomain: 'zone-a' }];
    await make('LibvirtCluster', 'zones', {
      hosts,
      failureDomains: [{ name: 'zone-a', controlPlane: false }],
    });
    await expect(
      make('LibvirtCluster', 'no-zones', { hosts, failureDomains: [{ name: 'rack1', controlPlane: false }] }),
    ).rejects.toThrow('a failure domain is named that no host is in');
  });

  const range = { from: '10.17.3.200', to: '10.17.3.219' };

  test.each([
    ['within 256 addresses', { ...range, to: '10.17.4.1' }],
    ['ends before it begins', { ...range, to: '10.17.3.9' }],
    ['should match', { ...range, to: '10.17.3.300' }],
    ['outside of the addresses of the network', { from: '10.17.4.1', to: '10.17.4.9' }],
  ])('is refused an endpoint range: %s', async (refused, controlPlaneEndpointRange) => {
    const network = { name: 'fuji', mode: 'nat', addresses: ['10.17.3.0/24'] };
    await expect(make('LibvirtCluster', 'range', { network, controlPlaneEndpointRange })).rejects.toThrow(
      refused,
    );
  });

  test('keeps the endpoint that it was given out of a range', async () => {
    await make('LibvirtCluster', 'given', { controlPlaneEndpointRange: range });
    const change = (spec: object) =>
      kubectl('patch', 'libvirtcluster', 'given', '--type=merge', '--patch', JSON.stringify({ spec }));
    await change({ controlPlaneEndpointRange: { ...range, to: '10.17.3.210' } });
    await change({ controlPlaneEndpoint: { host: '10.17.3.200', port: 6443 } });
    for (const spec of [
      { controlPlaneEndpoint: { host: '10.17.3.201' } },
      { controlPlaneEndpoint: null },
      { controlPlaneEndpointRange: { to: '10.17.3.211' } },
    ])
      await expect(change(spec)).rejects.toThrow('do not change once an address of the range was given');
  });
});

async function make(kind: string, name: string, spec: Record<string, unknown>): Promise<void> {
  await kubectlWith({ apiVersion: API, kind, metadata: { name }, spec }, 'create', '--filename', '-');
}

async function apply(object: Record<string, unknown>, ...flags: string[]): Promise<void> {
  await kubectlWith(object, 'apply', '--server-side', '--force-conflicts', ...flags, '--filename', '-');
}

async function kubectlWith(object: Record<string, unknown>, ...args: string[]): Promise<string> {
  const input = JSON.stringify(object);
  const { stdout } = await execa(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args], { input });
  return stdout;
}

async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await execa(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args]);
  return stdout;
}
