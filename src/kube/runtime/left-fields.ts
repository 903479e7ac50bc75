/** Computes the patch for fields that a server-side apply leaves in place. */

type Tree = Readonly<Record<string, unknown>>;

/**
 * Returns a JSON merge patch that removes the fields of `before` that are not in `wanted` and still in `now`; undefined: there are
 * none. A server-side apply leaves such fields when another manager owns them, too. Lists are not changed: their items have keys.
 */
export function leftFields(before: unknown, wanted: unknown, now: unknown): Tree | undefined {
  if (!isTree(before) || !isTree(now)) return undefined;
  const left: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(before)) {
    if (now[key] === undefined) continue;
    const kept = isTree(wanted) ? wanted[key] : undefined;
    const inner = kept === undefined ? null : leftFields(value, kept, now[key]);
    if (inner !== undefined) left[key] = inner;
  }
  return Object.keys(left).length > 0 ? left : undefined;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
