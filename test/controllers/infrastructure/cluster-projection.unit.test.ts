/** Verifies how a LibvirtCluster maps to a Cluster, and its status back. */

import { expect, it } from 'vitest';
import type { ContractCluster } from '../../../src/api/infrastructure/contract.ts';
import type { LibvirtCluster } from '../../../src/api/infrastructure/libvirt-cluster.ts';
import { type ClusterStatus, clusterProviderSpec } from '../../../src/api/kinds/cluster.ts';
import {
  asCluster,
  libvirtClusterStatus,
} from '../../../src/controllers/infrastructure/cluster-projection.ts';

const NOW = '2026-01-01T00:00:00Z';
const LATER = '2026-01-01T00:01:00Z';

const libvirtCluster = (spec: object = {}, status?: object) =>
  ({
    apiVersion: 'infrastructure.cluster.x-k8s.io/v1alpha1',
    kind: 'LibvirtCluster',
    metadata: { name: 'fuji', namespace: 'default', generation: 1 },
    spec,
    ...(status && { status }),
  }) as LibvirtCluster;

const owner = (spec: object = {}): ContractCluster => ({
  apiVersion: 'cluster.x-k8s.io/v1beta2',
  kind: 'Cluster',
  metadata: { name: 'fuji', namespace: 'default' },
  spec,
});

const ready = {
  type: 'Ready',
  status: 'True',
  reason: 'AsSpecified',
  message: '',
  lastTransitionTime: NOW,
} as const;
const provisioned: ClusterStatus = { phase: 'Provisioned', conditions: [ready] };
const endpoint = { host: '192.0.2.1', port: 6443 };

it('is shown as a Cluster with the networks of its owner', () => {
  const network = { pods: { cidrBlocks: ['10.244.0.0/16'] } };
  const one = libvirtCluster({ uri: 'qemu:///system', controlPlaneEndpoint: endpoint });
  const shown = asCluster(one, owner({ clusterNetwork: network }));
  expect(shown.metadata.name).toBe('capi~fuji');
  expect(shown.spec.clusterNetwork).toEqual(network);
  expect(clusterProviderSpec(shown)).toMatchObject({ uri: 'qemu:///system' });
});

it.each([
  ['its own endpoint', { controlPlaneEndpoint: endpoint }, {}],
  ['that of its Cluster', {}, { controlPlaneEndpoint: endpoint }],
])('is provisioned with %s', (_, spec, owned) => {
  const status = libvirtClusterStatus(libvirtCluster(spec), provisioned, owner(owned), NOW);
  expect(status.initialization).toEqual({ provisioned: true });
  expect(status.conditions).toContainEqual(ready);
});

it('waits for an endpoint, and says since when', () => {
  const first = libvirtClusterStatus(libvirtCluster(), provisioned, owner(), NOW);
  expect(first.initialization).toBeUndefined();
  const waiting = expect.objectContaining({
    type: 'Ready',
    status: 'False',
    reason: 'WaitingForControlPlaneEndpoint',
    lastTransitionTime: NOW,
  });
  expect(first.conditions).toContainEqual(waiting);
  const again = libvirtClusterStatus(libvirtCluster({}, first), provisioned, owner(), LATER);
  expect(again.conditions).toContainEqual(waiting);
});

it('stays provisioned whatever becomes of its hosts', () => {
  const was = libvirtCluster({}, { initialization: { provisioned: true } });
  expect(libvirtClusterStatus(was, { phase: 'Failed' }, owner(), NOW).initialization).toEqual({
    provisioned: true,
  });
});

it('lists hosts, and groups of hosts, as failure domains; one host without a name is none', () => {
  const hosts = [
    { name: 'b', uri: 'qemu+ssh://b/system', failureDomain: 'zone-1' },
    { name: 'a', uri: 'qemu+ssh://a/system', failureDomain: 'zone-1' },
    { name: 'c', uri: 'qemu+ssh://c/system' },
  ];
  const failureDomains = [{ name: 'c', controlPlane: false }];
  const one = libvirtCluster({ hosts, failureDomains });
  expect(libvirtClusterStatus(one, provisioned, owner(), NOW).failureDomains).toEqual([
    { name: 'c', controlPlane: false },
    { name: 'zone-1', controlPlane: true },
  ]);
  expect(libvirtClusterStatus(libvirtCluster(), provisioned, owner(), NOW).failureDomains).toBeUndefined();
  // The control plane is not spread over hosts that take no new machine.
  const cordoned = hosts.map((host) => ({ ...host, unschedulable: host.name !== 'c' }));
  const status = libvirtClusterStatus(libvirtCluster({ hosts: cordoned }), provisioned, owner(), NOW);
  expect(status.failureDomains).toEqual([
    { name: 'c', controlPlane: true },
    { name: 'zone-1', controlPlane: false },
  ]);
});
