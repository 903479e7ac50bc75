/** Distinguishes mappings from lists and scalars in JSON and YAML of others. */

/** True for an object with names and values: neither a list nor null. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
