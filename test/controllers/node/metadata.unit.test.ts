/** Verifies that a Node gets the labels and taints of its Machine, and keeps those of others. */

import { expect, it } from 'vitest';
import { NODE_RECORD_ANNOTATION } from '../../../src/api/schema/group.ts';
import { nodePatch, wantedOfNode } from '../../../src/controllers/node/metadata.ts';
import type { NodeMetadata } from '../../../src/controllers/node/workload-node.ts';

const OTHERS: NodeMetadata = {
  resourceVersion: '7',
  labels: { 'kubernetes.io/hostname': 'n', theirs: 'yes' },
  annotations: { 'kubeadm.alpha.kubernetes.io/cri-socket': 'unix:///run/containerd.sock' },
  taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' }],
};

const NOTHING = { labels: {}, annotations: {}, taints: [] };
const ALL = {
  labels: { zone: 'a' },
  annotations: { 'team.example/owner': 'b' },
  taints: [{ key: 'gpu', value: 'true', effect: 'NoSchedule' }],
};
const RECORD = '{"labels":["zone"],"annotations":["team.example/owner"],"taints":["gpu:NoSchedule"]}';
/** As the Node is after the patch for ALL. */
const GIVEN: NodeMetadata = {
  resourceVersion: '8',
  labels: { ...OTHERS.labels, ...ALL.labels },
  annotations: { ...OTHERS.annotations, ...ALL.annotations, [NODE_RECORD_ANNOTATION]: RECORD },
  taints: [...OTHERS.taints, ...ALL.taints],
};

it('a Node gets what its Machine gives it, and keeps what others gave it', () => {
  expect(nodePatch(ALL, OTHERS)).toEqual({
    metadata: {
      resourceVersion: '7',
      labels: ALL.labels,
      annotations: { ...ALL.annotations, [NODE_RECORD_ANNOTATION]: RECORD },
    },
    spec: { taints: [...OTHERS.taints, ...ALL.taints] },
  });
});

it.each([
  ['of which nothing is wanted and nothing was', NOTHING, OTHERS],
  ['that has what is wanted', ALL, GIVEN],
])('a Node %s is not written', (_, wanted, node) => {
  expect(nodePatch(wanted, node)).toBeUndefined();
});

it('what the Machine no longer asks for goes, and nothing else', () => {
  expect(nodePatch(NOTHING, GIVEN)).toEqual({
    metadata: {
      resourceVersion: '8',
      labels: { zone: null },
      annotations: { 'team.example/owner': null, [NODE_RECORD_ANNOTATION]: null },
    },
    spec: { taints: OTHERS.taints },
  });
});

it('a label that somebody else gave a Node stays, though an earlier Machine had one of that name', () => {
  const node = { ...OTHERS, labels: { zone: 'theirs' } };
  expect(nodePatch(NOTHING, node)).toBeUndefined();
});

it('a taint with another value is replaced, one that is there keeps the time since which it is', () => {
  const since = { timeAdded: '2026-01-01T00:00:00Z' };
  const node = { ...GIVEN, taints: [{ key: 'gpu', value: 'false', effect: 'NoSchedule', ...since }] };
  expect(nodePatch(ALL, node)).toMatchObject({
    spec: { taints: [{ key: 'gpu', value: 'true', effect: 'NoSchedule' }] },
  });
  const same = { ...GIVEN, taints: [{ key: 'gpu', value: 'true', effect: 'NoSchedule', ...since }] };
  expect(nodePatch(ALL, same)).toBeUndefined();
});

it.each(['no JSON', '[]', '{"labels":7}', '{"labels":[{}]}'])(
  'the record %s, which is none of ours, takes nothing away',
  (record) => {
    const node = { ...GIVEN, annotations: { ...GIVEN.annotations, [NODE_RECORD_ANNOTATION]: record } };
    expect(nodePatch(NOTHING, node)).toEqual({
      metadata: { resourceVersion: '8', labels: {}, annotations: { [NODE_RECORD_ANNOTATION]: null } },
    });
  },
);

it.each([
  ['node-role.kubernetes.io/worker', true],
  ['node-restriction.kubernetes.io/tier', true],
  ['a.node-restriction.kubernetes.io/tier', true],
  ['node.cluster.x-k8s.io/pool', true],
  ['fast.node.cluster.x-k8s.io/pool', true],
  ['a.node-role.kubernetes.io/worker', false],
  ['mynode.cluster.x-k8s.io/pool', false],
  ['kubernetes.io/hostname', false],
  ['app', false],
])('the label %s of a Machine itself goes to its Node: %s', (key, passes) => {
  const machine = { metadata: { name: 'm', labels: { [key]: 'x' } }, spec: { providerSpec: {} } };
  expect(wantedOfNode(machine).labels).toEqual(passes ? { [key]: 'x' } : {});
});

it('spec.metadata of a Machine is meant for its Node, whatever the names', () => {
  const spec = { providerSpec: {}, metadata: { labels: { app: 'x' }, annotations: { 'a/b': 'c' } } };
  expect(wantedOfNode({ metadata: { name: 'm' }, spec })).toEqual({
    ...{ labels: { app: 'x' }, annotations: { 'a/b': 'c' }, taints: [] },
  });
});
