/** Verifies which changes of a Cluster reconcile its LibvirtMachines. */

import { expect, it } from 'vitest';
import { type ContractCluster, ContractClusterKind } from '../../../src/api/infrastructure/contract.ts';
import { contractChanged } from '../../../src/controllers/infrastructure/setup.ts';

/** As it is kept of what the API server sends. */
function cluster(resourceVersion: string, spec: object, status: object): ContractCluster {
  const metadata = {
    name: 'fuji',
    namespace: 'default',
    uid: 'u',
    resourceVersion,
    annotations: { at: resourceVersion },
  };
  const picked = ContractClusterKind.pick?.({ apiVersion: 'v1', kind: 'Cluster', metadata, spec, status });
  return picked as ContractCluster;
}

const before = cluster('1', { paused: false }, { initialization: { infrastructureProvisioned: false } });

it.each([
  [
    'a condition',
    cluster('2', { paused: false }, { conditions: [], initialization: { infrastructureProvisioned: false } }),
    false,
  ],
  [
    'the pause',
    cluster('2', { paused: true }, { initialization: { infrastructureProvisioned: false } }),
    true,
  ],
  [
    'the infrastructure',
    cluster('2', { paused: false }, { initialization: { infrastructureProvisioned: true } }),
    true,
  ],
  [
    'the topology',
    cluster('2', { paused: false, topology: {} }, { initialization: { infrastructureProvisioned: false } }),
    false,
  ],
])('machines of a Cluster are looked at when %s changes: %#', (_, object, expected) => {
  expect(contractChanged({ type: 'MODIFIED', object, before })).toBe(expected);
  expect(contractChanged({ type: 'ADDED', object })).toBe(true);
});
