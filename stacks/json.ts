/** Merges and normalises Terraform JSON. */

export type Json = string | number | boolean | null | undefined | readonly Json[] | JsonObject;

/** Members that are undefined are absent. */
export type JsonObject = { readonly [key: string]: Json };

/** Merges `over` into `base`: objects key by key; everything else, arrays too, is replaced. Changes neither. */
export function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, Json> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

/** Returns a copy with sorted keys, without undefined members and cdktf's metadata (`//`). */
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

/** Formats JSON on many lines: Terraform's diagnostics quote the faulty line, and a single line would contain the secrets. */
export function toText(json: JsonObject): string {
  return `${JSON.stringify(json, null, 2)}\n`;
}
