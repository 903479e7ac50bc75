/**
 * Kubernetes JSONPath: `.metadata.name`, `.items[*]`, `[0]`, `[-1]`, `[0:2]`, `['a\.b/c']`, `..name`, `[?(@.type=="Ready")]`.
 * https://kubernetes.io/docs/reference/kubectl/jsonpath/; written here since libraries for JSONPath know other dialects: no escaped
 * dots, and filters that are JavaScript.
 */

import { TerminalError } from '../errors.ts';

/** Finds the values of a path. What the data lacks is left out; `root` is what `$` stands for. */
export type JsonPath = (at: unknown, root?: unknown) => unknown[];

type Step = (values: readonly unknown[], root: unknown) => unknown[];

/** The deepest nesting that `..` goes into. */
const MAX_DEPTH = 64;
const NAME = /(?:\\.|[^\\.[\](){}'"=<>!,?@$*\s])+/y;
const QUOTED = /\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\s*/y;
const SLICE = /\[\s*(-?\d{1,9})?\s*(?:(:)\s*(-?\d{1,9})?\s*(?::\s*(\d{1,9})?\s*)?)?\]/y;
const INDEXES = /\[\s*(-?\d{1,9}(?:\s*,\s*-?\d{1,9})+)\s*\]/y;
const ALL = /\[\s*\*\s*\]|\.\*/y;
const FILTER = /\[\s*\?\s*\(/y;
const FILTER_END = /\s*\)\s*\]/y;
const OPERATOR = /\s*(==|!=|<=|>=|<|>)\s*/y;
const LITERAL = /\s*(-?\d+(?:\.\d+)?|true|false|null)(?=\s*\))/y;

/** Compiles a path. Throws `TerminalError` InvalidConfiguration when it is malformed. */
export function parseJsonPath(text: string): JsonPath {
  const reader = new PathReader(text);
  const path = reader.path();
  if (!reader.isAtEnd) throw reader.malformed();
  return path;
}

/** Reads paths out of a longer text; `at` is where the next one begins. */
export class PathReader {
  readonly #text: string;
  at: number;

  constructor(text: string, at = 0) {
    this.#text = text;
    this.at = at;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#text.length;
  }

  /** Takes what `pattern`, which is sticky, matches here. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text) ?? undefined;
    if (match) this.at += match[0].length;
    return match;
  }

  /** Throws `TerminalError` InvalidConfiguration. */
  path(): JsonPath {
    const isRoot = this.take(/[@$]/y)?.[0] === '$';
    const steps: Step[] = [];
    // kubectl, too, lets the first dot be left out.
    const first = this.take(NAME)?.[0];
    if (first !== undefined) steps.push(member(unescaped(first)));
    for (let step = this.#step(); step !== undefined; step = this.#step()) steps.push(step);
    return (at, root = at) =>
      steps.reduce<unknown[]>((values, step) => step(values, root), [isRoot ? root : at]);
  }

  malformed(what = 'is malformed'): TerminalError {
    return new TerminalError({
      code: 'InvalidConfiguration',
      message: `JSONPath "${this.#text}" ${what}${this.isAtEnd ? ' at its end' : ` at "${this.#text.slice(this.at, this.at + 20)}"`}`,
      fix: 'see https://kubernetes.io/docs/reference/kubectl/jsonpath/; a dot within a name is written \\.',
    });
  }

  #step(): Step | undefined {
    if (this.take(/\.\./y)) return this.#descendants();
    if (this.take(ALL)) return (values) => values.flatMap(childrenOf);
    const name = this.take(/\.(?=[^.[\s)}]|\\)/y) && this.take(NAME)?.[0];
    if (name !== undefined) return member(unescaped(name));
    if (this.take(FILTER)) return this.#filter();
    const indexes = this.take(INDEXES)?.[1];
    if (indexes !== undefined) {
      const all = indexes.split(',').map(Number);
      return (values) => values.flatMap((value) => all.flatMap((index) => itemAt(value, index)));
    }
    const slice = this.take(SLICE);
    if (slice) return this.#slice(slice);
    if (this.take(/\[(?=\s*['"])/y)) return this.#names();
    // `{.}` is the object itself.
    if (this.take(/\.(?=[\s)}]|$)/y)) return (values) => [...values];
    return undefined;
  }

  #descendants(): Step {
    const name = this.take(NAME)?.[0];
    if (name === undefined) {
      this.take(/\*/y);
      return (values) => values.flatMap((value) => descendantsOf(value, 0));
    }
    const step = member(unescaped(name));
    return (values, root) =>
      step(
        values.flatMap((value) => descendantsOf(value, 0)),
        root,
      );
  }

  #slice([, from, colon, to, by]: RegExpExecArray): Step {
    if (colon === undefined) {
      if (from === undefined) throw this.malformed('has an empty index');
      return (values) => values.flatMap((value) => itemAt(value, Number(from)));
    }
    const step = Number(by ?? 1);
    if (step === 0) throw this.malformed('has a step of 0');
    const end = to === undefined ? undefined : Number(to);
    return (values) =>
      values.flatMap((value) =>
        itemsOf(value)
          .slice(Number(from ?? 0), end)
          .filter((_, index) => index % step === 0),
      );
  }

  /** Reads `'name', 'path.of.names']`. */
  #names(): Step {
    const paths: Step[][] = [];
    do {
      const [, single, double] = this.take(QUOTED) ?? [];
      const text = single ?? double;
      if (text === undefined) throw this.malformed();
      paths.push((text.match(/(?:\\.|[^\\.])+/g) ?? []).map((name) => member(unescaped(name))));
    } while (this.take(/,/y));
    if (!this.take(/\]/y)) throw this.malformed('has a bracket that is not closed');
    return (values, root) =>
      values.flatMap((value) =>
        paths.flatMap((steps) => steps.reduce<unknown[]>((at, step) => step(at, root), [value])),
      );
  }

  /** Reads `@.type=="Ready")]`. */
  #filter(): Step {
    this.take(/\s*/y);
    const left = this.#operand();
    const operator = this.take(OPERATOR)?.[1];
    const right = operator === undefined ? undefined : this.#operand();
    if (!this.take(FILTER_END)) throw this.malformed('has a filter that is not understood');
    const matches = (item: unknown, root: unknown) => {
      const [a] = left(item, root);
      if (right === undefined) return a !== undefined;
      const [b] = right(item, root);
      return a !== undefined && b !== undefined && compare(a, operator, b);
    };
    return (values, root) => values.flatMap((value) => itemsOf(value).filter((item) => matches(item, root)));
  }

  /** A path that begins with @ or $, or a literal. */
  #operand(): JsonPath {
    const [, single, double] = this.take(QUOTED) ?? [];
    const text = single ?? double;
    if (text !== undefined) return () => [unescaped(text)];
    const literal = this.take(LITERAL)?.[1];
    if (literal !== undefined) return () => [JSON.parse(literal)];
    if (this.take(/(?=[@$])/y)) return this.path();
    throw this.malformed('has a filter that is not understood');
  }
}

function member(name: string): Step {
  return (values) =>
    values.flatMap((value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
        ? [(value as Record<string, unknown>)[name]]
        : [],
    );
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The item alone in a list; an empty one if there is no such item. A negative index counts from the end. */
function itemAt(value: unknown, index: number): unknown[] {
  const items = itemsOf(value);
  const start = index < 0 ? index + items.length : index;
  return start < 0 ? [] : items.slice(start, start + 1);
}

function childrenOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

/** The value itself, and all below it. */
function descendantsOf(value: unknown, depth: number): unknown[] {
  if (depth > MAX_DEPTH) return [];
  return [value, ...childrenOf(value).flatMap((child) => descendantsOf(child, depth + 1))];
}

/** Compares values of one type; others are unequal. */
function compare(a: unknown, operator: string | undefined, b: unknown): boolean {
  if (operator === '==') return a === b;
  if (operator === '!=') return a !== b;
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) return false;
  const [left, right] = [a as string, b as string];
  switch (operator) {
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    default:
      return left >= right;
  }
}
