/** Text with JSONPaths in braces, as `kubectl get -o jsonpath=` takes it: `{range .items[*]}{.metadata.name}{"\n"}{end}`. */

import type { TerminalError } from '../errors.ts';
import { PathReader } from './json-path.ts';

/** Writes the text for `data`. */
export type JsonPathTemplate = (data: unknown) => string;

type Part = (at: unknown, root: unknown) => string;

const TEXT = /[^{]+/y;
const QUOTED = /\s*("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')\s*/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/** Compiles a template; a path without braces counts as one in them. Throws `TerminalError` InvalidConfiguration. */
export function parseJsonPathTemplate(template: string): JsonPathTemplate {
  const text = template.includes('{') ? template : `{${template}}`;
  const reader = new PathReader(text);
  const { parts, isEnded } = partsOf(reader);
  if (isEnded) throw reader.malformed('has an {end} without a {range}');
  return (data) => parts.map((part) => part(data, data)).join('');
}

/** Reads up to the `{end}` of a range, or to the end of the text. */
function partsOf(reader: PathReader): { parts: Part[]; isEnded: boolean } {
  const parts: Part[] = [];
  while (!reader.isAtEnd) {
    const text = reader.take(TEXT)?.[0];
    if (text !== undefined) {
      parts.push(() => text);
      continue;
    }
    reader.take(/\{\s*/y);
    if (reader.take(/end\s*\}/y)) return { parts, isEnded: true };
    parts.push(...(reader.take(/range\s+/y) ? [rangeOf(reader)] : expressionsOf(reader)));
  }
  return { parts, isEnded: false };
}

function rangeOf(reader: PathReader): Part {
  const path = reader.path();
  if (!reader.take(/\s*\}/y)) throw notClosed(reader);
  const { parts, isEnded } = partsOf(reader);
  if (!isEnded) throw reader.malformed('has a {range} without an {end}');
  return (at, root) =>
    path(at, root)
      .map((item) => parts.map((part) => part(item, root)).join(''))
      .join('');
}

/** Reads what stands in one pair of braces: texts in quotes, and paths. */
function expressionsOf(reader: PathReader): Part[] {
  const parts: Part[] = [];
  while (!reader.take(/\s*\}/y)) {
    const quoted = reader.take(QUOTED)?.[1];
    if (quoted !== undefined) {
      const text = unquote(quoted);
      parts.push(() => text);
      continue;
    }
    reader.take(/\s+/y);
    const { at: start } = reader;
    const path = reader.path();
    if (reader.at === start) throw reader.isAtEnd ? notClosed(reader) : reader.malformed();
    parts.push((at, root) => path(at, root).map(asText).join(' '));
  }
  return parts;
}

function notClosed(reader: PathReader): TerminalError {
  return reader.malformed('has a brace that is not closed');
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replaceAll(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}

/** A value as kubectl prints it: a string as it is, all else as JSON in one line. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
