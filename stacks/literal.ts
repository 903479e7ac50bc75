/**
 * Escapes what Terraform would read as a template, in every string of a value: names, paths and URLs come from manifests,
 * and `${file("/etc/shadow")}` in one of them must stay text. So must what looks like a token of cdktf, which it would replace. Copies
 * objects and arrays, keeps other values.
 * https://developer.hashicorp.com/terraform/language/syntax/json#expression-mapping
 */
export function literal<T>(value: T): T {
  return escapeTemplates(value) as T;
}

function escapeTemplates(value: unknown): unknown {
  if (typeof value === 'string') {
    const text = value.replace(/[$%](?=\{)/g, (sign) => sign + sign);
    // Terraform reads the same text, and cdktf no longer finds a token.
    return text.replaceAll('TfToken[', 'TfToken${"["}');
  }
  if (Array.isArray(value)) return value.map(escapeTemplates);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escapeTemplates(item)]));
}
