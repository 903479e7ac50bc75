/** Conditions and pauses of the current Cluster API, to and from what the original API has for them. Pure. */

import { BLOCK_MOVE_ANNOTATION } from '../../api/infrastructure/contract.ts';
import { PAUSED_ANNOTATION } from '../../api/schema/paused.ts';
import { type Condition, setCondition } from '../../apimachinery/conditions.ts';

/** Condition that says that a person is needed: the original API says so in errorReason and errorMessage. */
export const TERMINAL = 'Failed';

/** The annotations with, or without, the one that pauses a Machine of the original API. */
export function withPause(
  annotations: Readonly<Record<string, string>> = {},
  paused: boolean,
): { readonly annotations?: Record<string, string> } {
  // What a run of Terraform puts there and takes away again is no change of the object.
  const { [PAUSED_ANNOTATION]: _, [BLOCK_MOVE_ANNOTATION]: __, ...others } = annotations;
  const all = { ...others, ...(paused && { [PAUSED_ANNOTATION]: '' }) };
  return Object.keys(all).length > 0 ? { annotations: all } : {};
}

/** What a status of the original API has for these conditions. */
export function originalConditions(conditions: readonly Condition[] = []): {
  readonly conditions?: Condition[];
  readonly errorReason?: string;
  readonly errorMessage?: string;
} {
  const kept = conditions.filter(({ type }) => type !== TERMINAL && type !== 'Paused');
  const failed = conditions.find(({ type, status }) => type === TERMINAL && status === 'True');
  return {
    ...(kept.length > 0 && { conditions: kept }),
    ...(failed && { errorReason: failed.reason, errorMessage: failed.message }),
  };
}

interface WrittenConditions {
  readonly conditions: readonly Condition[] | undefined;
  readonly errorReason: string | undefined;
  readonly errorMessage: string | undefined;
  /** As they were stored. */
  readonly before: readonly Condition[] | undefined;
}

/** Adds the conditions of the contract: Paused, and the one of a terminal fault. */
export function contractConditions(
  { conditions, errorReason, errorMessage, before = [] }: WrittenConditions,
  { paused, generation }: { readonly paused: boolean; readonly generation: number | undefined },
  now: string,
): Condition[] {
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const own = before.filter(
    ({ type }) => type === 'Paused' || (type === TERMINAL && errorReason !== undefined),
  );
  const withPaused = setCondition(
    [...(conditions ?? []), ...own],
    {
      type: 'Paused',
      status: paused ? 'True' : 'False',
      reason: paused ? 'Paused' : 'NotPaused',
      message: paused
        ? 'the Cluster is paused, or the object has the annotation cluster.x-k8s.io/paused'
        : '',
      ...observed,
    },
    now,
  );
  if (errorReason === undefined) return withPaused;
  const failed = {
    type: TERMINAL,
    status: 'True',
    reason: errorReason,
    message: errorMessage ?? '',
  } as const;
  return setCondition(withPaused, { ...failed, ...observed }, now);
}
