/** Verifies which of two APIs a command means, and which objects it refuses to delete. */

import { describe, expect, it } from 'vitest';
import { LibvirtClusterKind } from '../../../src/api/infrastructure/libvirt-cluster.ts';
import {
  LibvirtMachineKind,
  LibvirtMachineTemplateKind,
} from '../../../src/api/infrastructure/libvirt-machine.ts';
import { requireKind } from '../../../src/cli/session/errors.ts';
import { requireUnowned } from '../../../src/cli/session/infrastructure.ts';

describe('the kind that a command means', () => {
  it.each([
    ['machines', 'cluster-api.k8s.io', 'Machine'],
    ['clusters', 'cluster-api.k8s.io', 'Cluster'],
    ['libvirtmachines', 'infrastructure.cluster.x-k8s.io', 'LibvirtMachine'],
    ['LibvirtCluster', 'infrastructure.cluster.x-k8s.io', 'LibvirtCluster'],
    ['libvirtmachinetemplates', 'infrastructure.cluster.x-k8s.io', 'LibvirtMachineTemplate'],
    ['libvirtclustertemplate', 'infrastructure.cluster.x-k8s.io', 'LibvirtClusterTemplate'],
  ])('by %s is %s %s', async (name, group, kind) => {
    expect(await requireKind(name, 'kubeconfig')).toMatchObject({ group, kind });
  });

  it.each([
    ['libvirtmachines', /a LibvirtMachine is an object of a cluster/],
    ['pods', /there is no kind "pods"/],
  ])('without a cluster is refused by %s', async (name, message) => {
    await expect(requireKind(name, undefined)).rejects.toThrow(message);
  });
});

describe('an object that commands are to delete', () => {
  const owned = (kind: string, apiVersion = 'cluster.x-k8s.io/v1beta2', more: object = {}) => ({
    ...{ apiVersion: 'infrastructure.cluster.x-k8s.io/v1alpha1', kind: 'Any' },
    metadata: {
      ...{ name: 'one', namespace: 'default', ...more },
      ownerReferences: [{ apiVersion, kind, name: 'owner', uid: '1' }],
    },
  });

  it.each([
    ['a LibvirtMachine of a Machine', LibvirtMachineKind, owned('Machine')],
    ['a LibvirtCluster of a Cluster', LibvirtClusterKind, owned('Cluster')],
    [
      'of an earlier version of Cluster API',
      LibvirtMachineKind,
      owned('Machine', 'cluster.x-k8s.io/v1beta1'),
    ],
  ])('is refused where its owner would miss it: %s', (_, kind, object) => {
    expect(() => requireUnowned(kind as never, object as never)).toThrow(
      /belongs to the .* "owner" of Cluster API/,
    );
  });

  it.each([
    ['a template, which its Cluster only groups', LibvirtMachineTemplateKind, owned('Cluster')],
    ['what is being deleted', LibvirtMachineKind, owned('Machine', undefined, { deletionTimestamp: 'now' })],
    ['what something else owns', LibvirtMachineKind, owned('Machine', 'example.com/v1')],
  ])('is deleted otherwise: %s', (_, kind, object) => {
    expect(() => requireUnowned(kind as never, object as never)).not.toThrow();
  });
});
