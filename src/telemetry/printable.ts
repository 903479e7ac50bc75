/** Text of servers, libvirt and tenants, as it may be shown: no character of it commands a terminal, or turns what stands around it. */

/**
 * Controls but for line feed and tab (a CSI is one of them, and so is BEL), marks that change the direction of text, and separators
 * that some take for the end of a line.
 */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Writes each such character as `\u001b`. In JSON, where those that can stand at all are part of a string, the data stay what they
 * are.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same, in one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/** What a program says of a failure, for a message: in one line, and of 200 characters at the most. */
export function printableRemark(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim()).slice(0, REMARK_CHARACTERS);
}

const REMARK_CHARACTERS = 200;

/** True if `printable` would change the text. */
export function isUnprintable(text: string): boolean {
  return text.search(UNPRINTABLE) >= 0;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
