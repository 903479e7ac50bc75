/** Verifies which Machines an event of another object reconciles. */

import { expect, it } from 'vitest';
import type { Cluster } from '../../../src/api/kinds/cluster.ts';
import type { Machine } from '../../../src/api/kinds/machine.ts';
import type { ObjectKey } from '../../../src/apimachinery/object.ts';
import {
  clusterChanged,
  domainsOn,
  flowOfMachine,
  indexMachines,
  machineOfDomain,
  machinesOfCluster,
  machinesOfSecret,
  machinesOfSet,
} from '../../../src/controllers/machine/mappings.ts';
import { ObjectCache } from '../../../src/kube/runtime/cache.ts';
import { allowHost } from '../../../src/system/allowed-host.ts';

interface Described {
  readonly namespace?: string;
  readonly cluster?: string;
  readonly secret?: string;
  readonly set?: string;
  readonly uri?: string;
  readonly deletionTimestamp?: string;
}

function machine(name: string, described: Described = {}): Machine {
  const { namespace = 'default', cluster, secret, set, uri, deletionTimestamp } = described;
  const owner = { apiVersion: 'cluster.k8s.io/v1alpha1', kind: 'MachineSet', name: set, uid: set };
  return {
    apiVersion: 'cluster.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: {
      namespace,
      name,
      ...(deletionTimestamp && { deletionTimestamp }),
      ...(set && { ownerReferences: [{ ...owner, controller: true }] }),
    },
    spec: { clusterName: cluster, bootstrap: { dataSecretName: secret }, providerSpec: {} },
    status: uri === undefined ? {} : { providerStatus: { pinned: { uri } } },
  } as unknown as Machine;
}

function cacheOf(...machines: readonly Machine[]): ObjectCache<Machine> {
  const cache = new ObjectCache<Machine>();
  indexMachines(cache);
  for (const one of machines) cache.set(one);
  return cache;
}

const names = (keys: readonly ObjectKey[]) => keys.map(({ name }) => name).sort();
const object = (name: string, uid = name) => ({
  apiVersion: 'v1',
  kind: 'Any',
  metadata: { namespace: 'default', name, uid },
});

it('a change of a Cluster reconciles its Machines, and those of its namespace that name no Cluster', () => {
  const cache = cacheOf(
    machine('own', { cluster: 'a' }),
    machine('other', { cluster: 'b' }),
    machine('none'),
    machine('elsewhere', { namespace: 'x', cluster: 'a' }),
  );
  expect(names(machinesOfCluster(cache, object('a')))).toEqual(['none', 'own']);
});

it('a change of a Secret reconciles the Machines that boot with it, and a change of a set its own Machines', () => {
  const cache = cacheOf(machine('seeded', { secret: 's' }), machine('of-set', { set: 's' }), machine('x'));
  expect(names(machinesOfSecret(cache, object('s')))).toEqual(['seeded']);
  expect(names(machinesOfSet(cache, object('s')))).toEqual(['of-set']);
});

it('a host is asked for the domains of all Machines that name it, in any spelling of its URI', () => {
  const uri = 'qemu+ssh://h/system';
  const cache = cacheOf(
    machine('here', { uri }),
    machine('keyed', { uri: `${uri}?keyfile=/k` }),
    machine('there', { uri: 'qemu+ssh://other/system' }),
    machine('nowhere'),
  );
  const onHost = (identity: string) => cache.byIndex('host', identity);
  expect(domainsOn({ onHost }, allowHost(uri)).sort()).toEqual(['default.here', 'default.keyed']);
  expect(machineOfDomain('default.a.b')).toEqual({ namespace: 'default', name: 'a.b' });
});

const cluster = (ready: 'True' | 'False', message = '', generation = 1) =>
  ({
    ...object('c'),
    metadata: { ...object('c').metadata, generation },
    spec: { generation },
    status: { conditions: [{ type: 'Ready', status: ready, reason: 'R', message }] },
  }) as unknown as Cluster;

it.each([
  ['becomes ready', cluster('False'), cluster('True'), true],
  ['is to be another', cluster('True'), cluster('True', '', 2), true],
  ['stays ready', cluster('True'), cluster('True', 'another message'), false],
  ['ceases to be ready', cluster('True'), cluster('False'), false],
])('Machines may wait for a Cluster that %s: %#', (_, before, after, expected) => {
  expect(clusterChanged({ type: 'MODIFIED', object: after, before })).toBe(expected);
});

it('namespaces take turns, then owners, hosts and deletions', () => {
  const flow = (described: Described) => flowOfMachine(machine('m', described));
  const here = { set: 's', uri: 'qemu:///system' };
  expect(flow(here)).toEqual(flow(here));
  expect(flow({ ...here, namespace: 'x' }).group).toBe('x');
  const flows = [here, { ...here, set: 't' }, { ...here, uri: 'qemu+ssh://h/system' }];
  const deleted = { ...here, deletionTimestamp: '2026-01-01T00:00:00Z' };
  expect(new Set([...flows, deleted].map((one) => flow(one).name)).size).toBe(4);
});
