/**
 * Cuts messages of Terraform and its provider to what a person reads: no Go values (of a machine type that the host lacks, the
 * provider prints 3 KB of capabilities), no level of its log, and of a URL neither user, password nor query, which may be secret.
 */

/** Characters of a message that are kept; of a longer one the beginning and the end, where Go puts the cause. */
const LONGEST = 1_000;
const END = 300;

/** Returns the message, readable. */
export function readable(message: string): string {
  return shortened(
    withoutGoValues(withoutURLSecrets(message)).replace(/\[(TRACE|DEBUG|INFO|WARN|ERROR):?\] */g, ''),
  );
}

/** Returns the text with its URLs without user, password and query. */
export function withoutURLSecrets(text: string): string {
  return text
    .replace(/\b(https?:\/\/)[^\s"'/?#@]*(?:@[^\s"'/?#@]*)*@/gi, '$1')
    .replace(/\b(https?:\/\/[^\s"'?#<>]*)\?[^\s"'#<>]*/gi, '$1');
}

/** In place of each structure in braces that holds a pointer or another structure: `{…}`. One that is cut off ends the text. */
function withoutGoValues(text: string): string {
  let kept = '';
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf('{', at);
    if (open === -1) return kept + text.slice(at);
    const end = closing(text, open);
    const value = text.slice(open, end);
    // After a dollar it is a shell's or Terraform's, such as a part of a path.
    const isGo =
      text[open - 1] !== '$' && (/0x[0-9a-f]{6,}|<nil>|map\[/.test(value) || /^\{[^"]*\{/.test(value));
    kept += text.slice(at, open).replace(/&$/, isGo ? '' : '&') + (isGo ? '{…}' : value);
    at = end;
  }
  return kept;
}

/** Index after the brace that closes the one at `open`; the end of the text if none does. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

function shortened(text: string): string {
  if (text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST - END)} … ${text.slice(-END)}`;
}
