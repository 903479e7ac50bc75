/**
 * Escapes what Terraform would read as a template, in every string of a value: names, paths and URLs come from manifests,
 * and `${file("/etc/shadow")}` in one of them must stay text. Objects and arrays are copied, other values kept.
 * https://developer.hashicorp.com/terraform/language/syntax/json#expression-mapping
 */
export function literal<T>(value: T): T {
  return escapeTemplates(value) as T;
}

function escapeTemplates(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/[$%](?=\{)/g, (sign) => sign + sign);
  if (Array.isArray(value)) return value.map(escapeTemplates);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escapeTemplates(item)]));
}
