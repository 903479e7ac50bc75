/** Verifies that the phases of a reconcile run in order, up to the first that ends it. */

import { expect, test } from 'vitest';
import { type Phase, runPhases } from '../../../src/controllers/shared/phases.ts';

/** What the phases did, in order. */
function reconcileOf() {
  const done: string[] = [];
  const recordFailure = (type: string, thrown: unknown) => {
    done.push(`${type}: ${(thrown as Error).message}`);
    return thrown;
  };
  return { done, scope: { recordFailure } };
}

type Reconcile = ReturnType<typeof reconcileOf>;

const works = (name: string): Phase<Reconcile> => ({
  run: async ({ done }) => {
    done.push(name);
    return undefined;
  },
});

const fails: Phase<Reconcile> = {
  condition: 'HostReady',
  run: () => Promise.reject(new Error('no pool')),
};

test('a phase that ends the reconcile is the last, and says when the next one is', async () => {
  const reconcile = reconcileOf();
  const ends: Phase<Reconcile> = { run: async () => ({ requeueAfterMs: 7 }) };
  expect(await runPhases([works('first'), ends, works('last')], reconcile)).toEqual({ requeueAfterMs: 7 });
  expect(reconcile.done).toEqual(['first']);
});

test('a failure is recorded in the condition of its phase, and no later phase runs', async () => {
  const reconcile = reconcileOf();
  await expect(runPhases([works('first'), fails, works('last')], reconcile)).rejects.toThrow('no pool');
  expect(reconcile.done).toEqual(['first', 'HostReady: no pool']);
});

test('the error of a recorded failure is the one that is thrown', async () => {
  const reconcile = reconcileOf();
  const onFailure = async ({ done }: Reconcile) => {
    done.push('cleaned up');
    throw new Error('tried on another host');
  };
  await expect(runPhases([{ ...fails, onFailure }], reconcile)).rejects.toThrow('another host');
  expect(reconcile.done).toEqual(['HostReady: no pool', 'cleaned up']);
});
