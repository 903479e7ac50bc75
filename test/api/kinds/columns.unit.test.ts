/** Verifies that `caplv get` prints the columns that kubectl prints. */

import { expect, test } from 'vitest';
import { columnValue } from '../../../src/api/kinds/columns.ts';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { CLUSTER_API_KINDS } from '../../../src/api/kinds/registry.ts';

const MACHINE = {
  apiVersion: 'cluster-api.k8s.io/v1alpha1',
  kind: 'Machine',
  metadata: { name: 'kube-cp', creationTimestamp: '2026-01-01T00:00:00Z' },
  status: {
    phase: 'Running',
    addresses: [
      { type: 'Hostname', address: 'kube-cp' },
      { type: 'InternalIP', address: '192.168.122.10' },
    ],
    conditions: [{ type: 'Ready', status: 'True', reason: 'Running' }],
    providerStatus: { host: 'rack1' },
  },
};

test('the table of `caplv get` reads what kubectl would', () => {
  const cells = MachineKind.columns.map((column) => [column.name, columnValue(MACHINE, column)]);
  expect(Object.fromEntries(cells)).toMatchObject({
    Phase: 'Running',
    Ready: 'True',
    Address: '192.168.122.10',
    Host: 'rack1',
    Node: undefined,
    Age: '2026-01-01T00:00:00Z',
  });
});

test('an object without a status has empty cells', () => {
  const bare = { apiVersion: '', kind: '', metadata: { name: 'a' } };
  for (const { columns } of CLUSTER_API_KINDS) {
    expect(columns.map((column) => columnValue(bare, column))).toEqual(columns.map(() => undefined));
  }
});

test('a column reads a label whose name has dots, as the CRDs of Cluster API do', () => {
  const object = {
    ...MACHINE,
    metadata: { ...MACHINE.metadata, labels: { 'cluster.x-k8s.io/cluster-name': 'fuji' } },
  };
  const jsonPath = String.raw`.metadata.labels['cluster\.x-k8s\.io/cluster-name']`;
  expect(columnValue(object, { jsonPath })).toBe('fuji');
  expect(columnValue(MACHINE, { jsonPath })).toBeUndefined();
});
