/** Verifies what an autoscaler reads in the status of a LibvirtMachineTemplate that has no machine yet. */

import { expect, it } from 'vitest';
import type { KubeObject } from '../../../src/apimachinery/object.ts';
import { LibvirtMachineTemplateReconciler } from '../../../src/controllers/infrastructure/template-reconciler.ts';
import { LibvirtError } from '../../../src/libvirt/libvirt-error.ts';

const KEY = { namespace: 'default', name: 'workers' };
const OWNED = [{ apiVersion: 'cluster.x-k8s.io/v1beta2', kind: 'Cluster', name: 'fuji', uid: 'c' }];
const CLUSTER = {
  metadata: { ...KEY, name: 'fuji', uid: 'c' },
  spec: {
    infrastructureRef: { apiGroup: 'infrastructure.cluster.x-k8s.io', kind: 'LibvirtCluster', name: 'fuji' },
  },
};
const ARCHS: Readonly<Record<string, string>> = {
  'qemu+ssh://intel/system': 'x86_64',
  'qemu+ssh://amd/system': 'x86_64',
  'qemu+ssh://arm/system': 'aarch64',
  'qemu+ssh://z/system': 's390x',
  'qemu+ssh://power/system': 'ppc64le',
  'qemu+ssh://risc/system': 'riscv64',
};
const host = (name: string) => ({ name, uri: `qemu+ssh://${name}/system` });

interface Case {
  readonly spec?: object;
  readonly owned?: boolean;
  readonly hosts?: readonly object[];
  readonly status?: object;
}

async function reconciled({ spec = {}, owned = true, hosts = [host('intel')], status }: Case) {
  const template = {
    metadata: { ...KEY, ...(owned && { ownerReferences: OWNED }) },
    spec: { template: { spec: { vcpu: 2, memoryInGB: 2, ...spec } } },
    ...(status && { status }),
  };
  const objects: Readonly<Record<string, object>> = {
    LibvirtMachineTemplate: template,
    Cluster: CLUSTER,
    LibvirtCluster: { metadata: { ...KEY, name: 'fuji' }, spec: { hosts } },
  };
  let written: unknown = status;
  const store = {
    get: async (kind: { readonly kind: string }) => objects[kind.kind] as KubeObject,
    applyStatus: async (_: unknown, __: unknown, now: unknown) => {
      written = now;
    },
  };
  const archOf = async (uri: string) => {
    if (uri.includes('silent'))
      throw new LibvirtError({ code: 'unreachable', uri, command: 'nodeinfo', message: '', stderr: '' });
    return ARCHS[uri];
  };
  const reconciler = new LibvirtMachineTemplateReconciler({
    store: store as never,
    infrastructure: store as never,
    defaultHost: 'qemu+ssh://arm/system',
    archOf,
    watchFilter: undefined,
  });
  const { requeueAfterMs } = await reconciler.reconcile(KEY);
  return { status: written, isAskedAgain: requeueAfterMs !== undefined };
}

const capacity = { cpu: '2', memory: '2048Mi' };
const linux = { operatingSystem: 'linux' };

it.each<[string, Case, string | undefined]>([
  ['that of the host', {}, 'amd64'],
  ['that of all hosts', { hosts: [host('intel'), host('amd')] }, 'amd64'],
  ['an ARM host', { hosts: [host('arm')] }, 'arm64'],
  ['an IBM Z host', { hosts: [host('z')] }, 's390x'],
  ['a POWER host', { hosts: [host('power')] }, 'ppc64le'],
  ['none of the contract', { hosts: [host('risc')] }, undefined],
  ['hosts that differ', { hosts: [host('intel'), host('arm')] }, undefined],
  [
    'the host that the template names',
    { hosts: [host('intel'), host('arm')], spec: { host: 'arm' } },
    'arm64',
  ],
  ['the libvirt URI that the template names', { owned: false, spec: { uri: host('z').uri } }, 's390x'],
  ['a host that may not be asked', { spec: { uri: 'qemu+ssh://forbidden/system' } }, undefined],
  ['a host that the cluster does not have', { spec: { host: 'unknown' } }, undefined],
  ['a template that no Cluster uses yet', { owned: false }, undefined],
  [
    "the template's own Terraform",
    { spec: { terraform: { resource: { libvirt_domain: { machine: { arch: 'aarch64' } } } } } },
    'arm64',
  ],
])('an autoscaler learns the architecture of the machines: %s', async (_, given, architecture) => {
  const nodeInfo = { ...(architecture && { architecture }), ...linux };
  expect(await reconciled(given)).toEqual({ status: { capacity, nodeInfo }, isAskedAgain: false });
});

it.each<[string, object | undefined, object]>([
  ['was never asked', undefined, linux],
  [
    'was known',
    { capacity, nodeInfo: { architecture: 'arm64', ...linux } },
    { architecture: 'arm64', ...linux },
  ],
])('a host that is silent is asked again; what it is %s stays', async (_, status, nodeInfo) => {
  const given = { hosts: [host('silent')], ...(status && { status }) };
  expect(await reconciled(given)).toEqual({ status: { capacity, nodeInfo }, isAskedAgain: true });
});
