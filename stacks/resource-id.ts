/**
 * Encodes a name as part of a Terraform resource id (letters, digits, `-`, `_`). Different names give different ids: each other byte of
 * a name, and `_` itself, becomes `_<hex>`. So an id depends on its name alone, and removing one resource never moves another.
 */
export function resourceId(kind: string, ...names: readonly string[]): string {
  return [kind, names.map(encode).join('__')].join('_');
}

/** Encodes a name without `__`, and without a `_` at its end. */
function encode(name: string): string {
  return name.replace(/[^A-Za-z0-9-]/gu, (character) =>
    Array.from(Buffer.from(character), (byte) => `_${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
