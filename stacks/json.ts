/** Merges and normalises Terraform JSON. */

export type Json = string | number | boolean | null | undefined | readonly Json[] | JsonObject;

/** Members that are undefined are absent. */
export type JsonObject = { readonly [key: string]: Json };

/** `over` on top of `base`: objects key by key, everything else (arrays too) replaced. Neither is changed. */
export function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, Json> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

/** A copy with its keys sorted, undefined members left out, and without cdktf's metadata (`//`). */
export function canonical(value: JsonObject): JsonObject {
  return canonicalValue(value) as JsonObject;
}

function canonicalValue(value: Json): Json {
  if (Array.isArray(value)) return value.map(canonicalValue);
  if (!isObject(value)) return value;
  const members = Object.entries(value).filter(([key, member]) => key !== '//' && member !== undefined);
  members.sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, canonicalValue(member)]));
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** On many lines: Terraform's diagnostics quote the line at fault, and a configuration on one line would quote its secrets. */
export function toText(json: JsonObject): string {
  return `${JSON.stringify(json, null, 2)}\n`;
}
