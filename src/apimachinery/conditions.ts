/** Conditions of an object: what is true of it now, why, and since when. The shape is Kubernetes' metav1.Condition. */

export interface Condition {
  /** What the condition is about, for example `Ready`. */
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** One word for programs, for example `PoolNotFound`. */
  readonly reason: string;
  /** The cause and the fix, for people. */
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number | undefined;
}

/** An object of a kind whose status has conditions; other objects have none. */
interface WithConditions {
  readonly status?: { readonly conditions?: readonly Condition[] | undefined } | undefined;
}

/** Finds the condition of this type. */
export function findCondition(object: WithConditions | undefined, type: string): Condition | undefined {
  return conditionOf(object?.status?.conditions, type);
}

/** Finds the condition of this type in a list. */
export function conditionOf(
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Returns whether the condition of this type is there and True. */
export function isConditionTrue(object: WithConditions | undefined, type: string): boolean {
  return findCondition(object, type)?.status === 'True';
}

/**
 * Returns `conditions` with `next` in it, sorted by type. Keeps lastTransitionTime while the status stays; `now` is RFC 3339.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  next: Omit<Condition, 'lastTransitionTime'>,
  now: string,
): Condition[] {
  const before = conditionOf(conditions, next.type);
  const lastTransitionTime = before?.status === next.status ? before.lastTransitionTime : now;
  const others = (conditions ?? []).filter(({ type }) => type !== next.type);
  return [...others, { ...next, lastTransitionTime }].sort((a, b) => (a.type < b.type ? -1 : 1));
}
