/** Verifies how a LibvirtMachine maps to a Machine, and its status back. */

import { describe, expect, it } from 'vitest';
import type { ContractCluster, ContractMachine } from '../../../src/api/infrastructure/contract.ts';
import type { LibvirtCluster } from '../../../src/api/infrastructure/libvirt-cluster.ts';
import type { LibvirtMachine } from '../../../src/api/infrastructure/libvirt-machine.ts';
import type { MachineStatus } from '../../../src/api/kinds/machine.ts';
import { machineProviderSpec } from '../../../src/api/kinds/machine.ts';
import {
  asMachine,
  libvirtMachineStatus,
} from '../../../src/controllers/infrastructure/machine-projection.ts';
import { isServed, waitOf, waitOfNamed } from '../../../src/controllers/infrastructure/machine-reconciler.ts';
import type { MachineOwners } from '../../../src/controllers/infrastructure/owners.ts';
import { PUBLIC_KEYS } from '../../api/public-keys.ts';

const NOW = '2026-01-01T00:00:00Z';
const UID = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';

function libvirtMachine(spec: object = {}, status?: object): LibvirtMachine {
  return {
    apiVersion: 'infrastructure.cluster.x-k8s.io/v1alpha1',
    kind: 'LibvirtMachine',
    metadata: { name: 'worker-1', namespace: 'default', uid: UID, generation: 3 },
    spec: { vcpu: 2, memoryMiB: 2048, imageURI: '/image.qcow2', ...spec },
    ...(status && { status }),
  } as LibvirtMachine;
}

const machine = (spec: object = {}): ContractMachine => ({
  apiVersion: 'cluster.x-k8s.io/v1beta2',
  kind: 'Machine',
  metadata: {
    name: 'worker-1',
    namespace: 'default',
    ownerReferences: [
      { apiVersion: 'cluster.x-k8s.io/v1beta2', kind: 'MachineSet', name: 's', uid: 'u', controller: true },
    ],
  },
  spec: { clusterName: 'fuji', bootstrap: { dataSecretName: 'boot' }, version: 'v1.36.0', ...spec },
});

const cluster = (spec: object = {}, infrastructureProvisioned = true): ContractCluster => ({
  apiVersion: 'cluster.x-k8s.io/v1beta2',
  kind: 'Cluster',
  metadata: { name: 'fuji', namespace: 'default' },
  spec,
  status: { initialization: { infrastructureProvisioned } },
});

const infrastructure = {
  apiVersion: 'infrastructure.cluster.x-k8s.io/v1alpha1',
  kind: 'LibvirtCluster',
  metadata: { name: 'fuji', namespace: 'default' },
  spec: {
    hosts: [
      { name: 'rack1', uri: 'qemu+ssh://rack1/system', failureDomain: 'zone-a' },
      { name: 'rack2', uri: 'qemu+ssh://rack2/system' },
    ],
  },
} as LibvirtCluster;

const owners = (change: Partial<MachineOwners> = {}): MachineOwners => ({
  machine: machine(),
  cluster: cluster(),
  infrastructure,
  ...change,
});

describe('a LibvirtMachine is shown as a Machine', () => {
  it('with what its owner says, under a key that no Machine can have', () => {
    const access = { sshAuthorizedKeys: [PUBLIC_KEYS.rsa], sshUser: 'debian' };
    const shown = asMachine(
      libvirtMachine({ repair: 'Never', ...access }),
      owners({ machine: machine({ failureDomain: 'zone-a' }) }),
    );
    expect(shown.metadata).toMatchObject({ name: 'capi~worker-1', namespace: 'default', uid: UID });
    expect(shown.metadata.ownerReferences?.[0]?.kind).toBe('MachineSet');
    expect(shown.spec).toMatchObject({
      clusterName: 'capi~fuji',
      bootstrap: { dataSecretName: 'boot' },
      versions: { kubelet: 'v1.36.0' },
      repair: 'Never',
    });
    expect(machineProviderSpec(shown)).toMatchObject({
      vcpu: 2,
      failureDomain: 'zone-a',
      running: true,
      ...access,
    });
  });

  it('without labels, so that no MachineSet of the original API selects it', () => {
    const one = libvirtMachine();
    const labels = { set: 'workers' };
    expect(
      asMachine({ ...one, metadata: { ...one.metadata, labels } }, owners()).metadata.labels,
    ).toBeUndefined();
  });

  it.each([
    ['the Cluster is paused', {}, owners({ cluster: cluster({ paused: true }) })],
    ['it is paused itself', { 'cluster.x-k8s.io/paused': '' }, owners()],
    [
      'clusterctl move deletes it, also where its Cluster is not known to be paused',
      { 'clusterctl.cluster.x-k8s.io/delete-for-move': '' },
      owners(),
    ],
  ])('that nothing is done to while %s', (_, annotations, all) => {
    const one = libvirtMachine();
    const shown = asMachine({ ...one, metadata: { ...one.metadata, annotations } }, all);
    expect(shown.metadata.annotations).toHaveProperty('cluster-api.k8s.io/paused');
    const { conditions } = libvirtMachineStatus(
      { ...one, metadata: { ...one.metadata, annotations } },
      {},
      all,
      NOW,
    );
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'Paused', status: 'True' }));
  });

  it('and not by the annotation of the original API', () => {
    const one = libvirtMachine();
    const annotations = { 'cluster-api.k8s.io/paused': '' };
    expect(
      asMachine({ ...one, metadata: { ...one.metadata, annotations } }, owners()).metadata.annotations,
    ).toBeUndefined();
  });
});

describe('the status of a LibvirtMachine', () => {
  const made: MachineStatus = {
    phase: 'Provisioned',
    providerStatus: {
      appliedHash: 'h',
      pinned: { uri: 'qemu+ssh://rack1/system' } as never,
    },
  };

  it('says provisioned once it has a domain and a providerID, and for good', () => {
    const without = libvirtMachineStatus(libvirtMachine(), made, owners(), NOW);
    expect(without.initialization).toBeUndefined();
    const provided = libvirtMachine({ providerID: `libvirt:///${UID}` });
    const { initialization, failureDomain } = libvirtMachineStatus(provided, made, owners(), NOW);
    expect(initialization).toEqual({ provisioned: true });
    expect(failureDomain).toBe('zone-a');
    const lost = libvirtMachine({}, { initialization: { provisioned: true } });
    expect(libvirtMachineStatus(lost, {}, owners(), NOW).initialization).toEqual({ provisioned: true });
  });

  it('reports a terminal fault by a condition, and removes it with the fault', () => {
    const failed = { errorReason: 'ImageNotFound', errorMessage: 'there is no image; give another' };
    const status = libvirtMachineStatus(libvirtMachine(), failed, owners(), NOW);
    expect(status).not.toHaveProperty('errorReason');
    expect(status).not.toHaveProperty('failureReason');
    expect(status.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Failed',
        status: 'True',
        reason: 'ImageNotFound',
        message: failed.errorMessage,
      }),
    );
    const stored = libvirtMachine({}, status);
    expect(asMachine(stored, owners()).status).toMatchObject(failed);
    const mended = libvirtMachineStatus(stored, {}, owners(), NOW);
    expect(mended.conditions?.map(({ type }) => type)).toEqual(['Paused']);
  });

  it('is read back as it was written', () => {
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'AsSpecified', message: '', lastTransitionTime: NOW },
    ] as const;
    const written: MachineStatus = { ...made, conditions: [...conditions], addresses: [] };
    const stored = libvirtMachine({}, libvirtMachineStatus(libvirtMachine(), written, owners(), NOW));
    expect(asMachine(stored, owners()).status).toEqual(written);
  });
});

it.each([
  [undefined, undefined, true],
  [undefined, 'blue', true],
  ['blue', 'blue', true],
  ['blue', 'green', false],
  ['blue', undefined, false],
])('with --watch-filter %s an object with the label %s is served: %s', (filter, label, expected) => {
  const one = libvirtMachine();
  const labels: Record<string, string> =
    label === undefined ? {} : { 'cluster.x-k8s.io/watch-filter': label };
  expect(isServed({ ...one, metadata: { ...one.metadata, labels } }, filter)).toBe(expected);
});

describe('nothing is made before the contract allows it', () => {
  const madeOne = libvirtMachine({}, { providerStatus: { appliedHash: 'h' } });
  const unready = owners({ cluster: cluster({}, false) });
  it.each([
    ['no Machine owns it', libvirtMachine(), owners({ machine: undefined }), 'WaitingForOwner', false],
    ['there is no Cluster', libvirtMachine(), owners({ cluster: undefined }), 'WaitingForCluster', false],
    [
      'the Cluster refers to another kind',
      libvirtMachine(),
      owners({ infrastructure: undefined }),
      'WaitingForClusterInfrastructure',
      false,
    ],
    [
      'the infrastructure is not provisioned',
      libvirtMachine(),
      unready,
      'WaitingForClusterInfrastructure',
      true,
    ],
    [
      'the bootstrap data is not named',
      libvirtMachine(),
      owners({ machine: machine({ bootstrap: {} }) }),
      'WaitingForBootstrapData',
      true,
    ],
    ['all is there', libvirtMachine(), owners(), undefined, undefined],
    ['a machine was made, whatever its Cluster says later', madeOne, unready, undefined, undefined],
  ])('%s', (_, one, all, reason, claims) => {
    const wait = waitOf(one, all);
    expect(wait?.reason).toBe(reason);
    expect(wait && (wait.claims ?? false)).toBe(claims);
  });

  it.each([
    ['its Cluster is not there', undefined, 'WaitingForCluster'],
    ["Cluster API's manager has not set the reference", cluster(), 'WaitingForOwner'],
  ])('a Machine names it, and %s', (_, found, reason) => {
    expect(waitOfNamed(machine(), found).reason).toBe(reason);
  });

  it('an owner of another kind is named, since people refer to the wrong one', () => {
    const one = libvirtMachine();
    const ownerReferences = [
      { apiVersion: 'cluster.x-k8s.io/v1beta2', kind: 'Cluster', name: 'fuji', uid: 'u' },
    ];
    const owned = { ...one, metadata: { ...one.metadata, ownerReferences } };
    expect(waitOf(owned, owners({ machine: undefined }))?.message).toContain('its owner is Cluster "fuji"');
  });
});
