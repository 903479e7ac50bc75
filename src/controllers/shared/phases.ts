/** Runs a reconcile as a list of phases, each of which may end it. */

import type { Result } from '../../kube/runtime/controller.ts';
import type { ConditionType } from './conditions.ts';

/** How a reconcile ends. */
export interface Stop extends Result {
  /** Write no status: the object is gone, or not what it was when the reconcile began. */
  readonly isStale?: boolean;
}

/** `R`: what all phases of the reconcile share. */
export interface Phase<R> {
  /** Returns undefined for the next phase to go on. */
  readonly run: (reconcile: R) => Promise<Stop | undefined>;
  /** The condition that a failure belongs to. Absent: the phase records its failures itself. */
  readonly condition?: ConditionType;
  /** Called with a failure that was recorded. What it throws is thrown instead. */
  readonly onFailure?: (reconcile: R, error: unknown) => Promise<void>;
}

interface Recording {
  readonly scope?: { recordFailure(type: ConditionType, thrown: unknown): unknown };
}

/** Runs phases in order until one ends the reconcile. Throws what a phase throws, once it is recorded. */
export async function runPhases<R>(phases: readonly Phase<R>[], reconcile: R & Recording): Promise<Stop> {
  for (const { run, condition, onFailure } of phases) {
    try {
      const stop = await run(reconcile);
      if (stop) return stop;
    } catch (thrown) {
      const error = condition && reconcile.scope ? reconcile.scope.recordFailure(condition, thrown) : thrown;
      await onFailure?.(reconcile, error);
      throw error;
    }
  }
  return {};
}
