/** Verifies when a rollout counts a machine as ready and available. */

import { expect, it } from 'vitest';
import type { Machine } from '../../../src/api/kinds/machine.ts';
import {
  areNodes,
  describeUnavailable,
  isAvailable,
  isReady,
  nodeReadinessChanged,
} from '../../../src/controllers/shared/availability.ts';

const LONG_AGO = '2026-01-01T00:00:00Z';
const NOW = Date.parse('2026-01-01T00:01:00Z');

function machine(conditions: Readonly<Record<string, string>>, more: object = {}): Machine {
  return {
    metadata: { name: 'm' },
    status: {
      conditions: Object.entries(conditions).map(([type, status]) => ({
        ...{ type, status, reason: 'R', message: '', lastTransitionTime: LONG_AGO },
      })),
      ...more,
    },
  } as unknown as Machine;
}

it.each([
  ['runs, where no machine is a Node', { Ready: 'True' }, false, true],
  ['runs, where others are Nodes', { Ready: 'True' }, true, false],
  ['is a Node that is ready', { Ready: 'True', NodeReady: 'True' }, true, true],
  ['is a Node that is not ready', { Ready: 'True', NodeReady: 'False' }, false, false],
  ['does not run, and whose Node does not know yet', { Ready: 'False', NodeReady: 'True' }, true, false],
])('a rollout counts on a machine that %s: %#', (_, conditions, expectsNode, ready) => {
  expect(isReady(machine(conditions), expectsNode)).toBe(ready);
});

it('minReadySeconds begin when the Node is ready, not when the virtual machine runs', () => {
  const one = machine({ Ready: 'True', NodeReady: 'True' });
  const [node] = one.status?.conditions?.filter(({ type }) => type === 'NodeReady') ?? [];
  if (node) node.lastTransitionTime = '2026-01-01T00:00:50Z';
  expect(isAvailable(one, 10, NOW)).toBe(true);
  expect(isAvailable(one, 11, NOW)).toBe(false);
});

it('who waits for a rollout reads that a machine is no Node yet', () => {
  const [node, other] = [
    machine({ Ready: 'True', NodeReady: 'True' }, { nodeRef: { name: 'n' } }),
    machine({ Ready: 'True' }),
  ];
  expect(areNodes([node, other])).toBe(true);
  expect(describeUnavailable([node, other], 0, NOW)).toBe('m (runs, and is no Node yet)');
});

const runs = machine({ Ready: 'True' });
const isNode = machine({ Ready: 'True', NodeReady: 'True' }, { nodeRef: { name: 'n' } });
it.each([
  ['becomes a Node', runs, isNode, true],
  [
    'has a Node that is no longer ready',
    isNode,
    machine({ NodeReady: 'False' }, { nodeRef: { name: 'n' } }),
    true,
  ],
  ['has come', undefined, runs, false],
  ['stops', runs, machine({ Ready: 'False' }), false],
  ['stays as it was', isNode, isNode, false],
])('a deployment hears of a machine that %s: %#', (_, before, object, isChanged) => {
  expect(nodeReadinessChanged({ object, ...(before && { before }) })).toBe(isChanged);
});
