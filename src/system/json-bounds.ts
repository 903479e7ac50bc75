/** Limits a JSON text from others, beside the number of its bytes. */
export interface JsonBounds {
  /** Objects and lists within each other. */
  readonly depth: number;
  /** Values, those of objects and lists included. */
  readonly values: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/**
 * Returns which bound the text is beyond; undefined: none. Counts without parsing: of 16 MiB in 0.1 s, where to parse as many small values, and
 * to hold them against a schema, takes seconds. What is no JSON is counted too.
 */
export function jsonExcess(text: string, { depth, values }: JsonBounds): keyof JsonBounds | undefined {
  let [level, count] = [0, 1];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === COMMA) {
      count += 1;
    } else if (code === 0x7b || code === 0x5b) {
      level += 1;
      count += 1;
      if (level > depth) return 'depth';
    } else if (code === 0x7d || code === 0x5d) {
      level -= 1;
    }
    if (count > values) return 'values';
  }
  return undefined;
}

/** Index of the quote that ends the string which begins at `from`; the end of the text if none does. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
