/** Computes the patch for fields that a server-side apply leaves in place. */

type Tree = Readonly<Record<string, unknown>>;

/**
 * What of `before` is not in `wanted` and still in `now`, as a JSON merge patch that removes it; undefined: nothing. A server-side
 * apply leaves such fields where another manager owns them, too. Lists are left as they are: their items have keys of their own.
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
