/** Verifies which machine a MachineSet deletes first. */

import { describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/api/kinds/machine.ts';
import { inDeletionOrder } from '../../../src/controllers/machine-set/deletion-order.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');

interface Traits {
  readonly made?: string;
  readonly readySince?: string;
  readonly metadata?: Partial<Machine['metadata']>;
  readonly phase?: 'Failed';
}

function machine(
  name: string,
  { made = '2026-06-01T10:00:00Z', readySince, metadata, phase }: Traits = {},
): Machine {
  const ready = { type: 'Ready', status: 'True', reason: 'AsSpecified', message: '' } as const;
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name, uid: `uid-${name}`, creationTimestamp: made, ...metadata },
    spec: { providerSpec: {} },
    status: {
      ...(phase === undefined ? {} : { phase }),
      conditions: readySince === undefined ? [] : [{ ...ready, lastTransitionTime: readySince }],
    },
  };
}

const order = (
  machines: Machine[],
  deletePolicy: 'Random' | 'Newest' | 'Oldest' = 'Random',
  minReadySeconds = 0,
) => inDeletionOrder(machines, { deletePolicy, minReadySeconds }, NOW).map(({ metadata }) => metadata.name);

const OLD = '2026-06-01T11:00:00Z';

describe('which machine goes first', () => {
  it('is the one that is going, then the marked, the failed, the one that is not ready, not available', () => {
    const machines = [
      machine('good', { readySince: OLD }),
      machine('fresh', { readySince: '2026-06-01T11:59:30Z' }),
      machine('starting'),
      machine('failed', { phase: 'Failed' }),
      machine('marked', {
        readySince: OLD,
        metadata: { annotations: { 'cluster.k8s.io/delete-machine': '' } },
      }),
      machine('going', { readySince: OLD, metadata: { deletionTimestamp: OLD } }),
    ];
    const wanted = ['going', 'marked', 'failed', 'starting', 'fresh', 'good'];
    expect(order(machines, 'Random', 60)).toEqual(wanted);
    expect(order(machines.toReversed(), 'Random', 60)).toEqual(wanted);
  });

  it('follows the policy among equals', () => {
    const machines = ['b', 'a', 'c'].map((name, index) =>
      machine(name, { made: `2026-06-01T0${index + 1}:00:00Z` }),
    );
    expect(order(machines, 'Oldest')).toEqual(['b', 'a', 'c']);
    expect(order(machines, 'Newest')).toEqual(['c', 'a', 'b']);
  });

  it('is the same for each process, also where it is random', () => {
    const machines = Array.from({ length: 20 }, (_, index) => machine(`m-${index}`));
    const drawn = order(machines);
    expect(order(machines.toReversed())).toEqual(drawn);
    expect(drawn).not.toEqual(machines.map(({ metadata }) => metadata.name));
  });
});
