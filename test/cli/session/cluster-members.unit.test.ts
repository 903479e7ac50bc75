/** Verifies that `caplv delete cluster --cascade` deletes nothing of another Cluster, and owners before their machines. */

import { beforeEach, expect, test } from 'vitest';
import { ClusterKind } from '../../../src/api/kinds/cluster.ts';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import type { KubeObject, ResourceKind } from '../../../src/apimachinery/object.ts';
import type { Streams } from '../../../src/cli/output/streams.ts';
import { sayWaits, withMembers } from '../../../src/cli/session/cluster-members.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import { memoryDir } from '../../terraform/scratch.ts';

const one = { kind: ClusterKind, key: { namespace: 'default', name: 'one' } };
let store: LocalStore;

async function put(kind: ResourceKind, name: string, spec: object, namespace = 'default'): Promise<void> {
  const object = {
    apiVersion: `${kind.group}/${kind.version}`,
    kind: kind.kind,
    metadata: { namespace, name },
    spec,
  };
  await store.apply(kind, object as KubeObject, { fieldManager: 'person' });
}

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
  for (const name of ['one', 'two']) await put(ClusterKind, name, {});
  for (const clusterName of ['one', 'two']) {
    await put(MachineKind, `machine-${clusterName}`, { clusterName });
    await put(MachineSetKind, `set-${clusterName}`, { template: { spec: { clusterName } } });
    await put(MachineDeploymentKind, `deployment-${clusterName}`, { template: { spec: { clusterName } } });
  }
  await put(MachineKind, 'elsewhere', { clusterName: 'one' }, 'other');
});

const names = (
  targets: readonly { readonly kind: ResourceKind; readonly key: { readonly name: string } }[],
) => targets.map(({ kind, key }) => `${kind.kind} ${key.name}`);

async function said(targets: Parameters<typeof sayWaits>[1]): Promise<string[]> {
  const lines: string[] = [];
  await sayWaits(store, targets, { say: (line: string) => void lines.push(line) } as Streams);
  return lines;
}

test('its deployments, sets and machines, in this order, then itself', async () => {
  expect(names(await withMembers(store, [one], { cascade: true }))).toEqual([
    'MachineDeployment deployment-one',
    'MachineSet set-one',
    'Machine machine-one',
    'Cluster one',
  ]);
});

test('nothing but what is named, unless it is asked for', async () => {
  expect(names(await withMembers(store, [one], {}))).toEqual(['Cluster one']);
});

test('what a Cluster waits for is said at once, and not of machines that go with it', async () => {
  expect(await said([one])).toEqual([
    'cluster/one waits for 1 Machine: machine-one; to delete them, too: caplv delete cluster one --cascade',
  ]);
  expect(await said(await withMembers(store, [one], { cascade: true }))).toEqual([]);
  const machine = { kind: MachineKind, key: { namespace: 'default', name: 'machine-one' } };
  expect(await said([machine, one])).toEqual([]);
});

test('of one that is alone also what names none and is not made yet; what was made without it stays', async () => {
  const [only, namespace] = ['only', 'alone'];
  await put(ClusterKind, only, {}, namespace);
  await put(MachineKind, 'open', {}, namespace);
  await put(MachineKind, 'early', {}, namespace);
  const site = { network: 'default', pool: 'default' };
  const base = { pool: 'default', volume: 'small' };
  const pinned = { uri: 'qemu:///system', site, domainType: 'qemu', imageURI: '/small', base } as const;
  const early = { namespace, name: 'early' };
  await store.applyStatus(MachineKind, early, { providerStatus: { pinned } }, { fieldManager: 'person' });
  await put(MachineDeploymentKind, 'open', { template: { spec: {} } }, namespace);
  const target = { kind: ClusterKind, key: { namespace, name: only } };
  expect(names(await withMembers(store, [target], { cascade: true }))).toEqual([
    'MachineDeployment open',
    'Machine open',
    'Cluster only',
  ]);
});
