/** YAML and JSON text as values that know their lines. Messages never quote the text: it may hold user data. */

import {
  isCollection,
  isMap,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
} from 'yaml';

export interface YamlDocument {
  readonly value: unknown;
  /** Line, from 1, of what stands at `path`, or of the nearest thing around it that is there. */
  lineOf(path: readonly PropertyKey[]): number;
}

export interface YamlProblem {
  readonly line: number;
  readonly message: string;
  readonly fix?: string;
}

/** All documents of `text` that are not empty, or what makes it no YAML. */
export function parseYaml(text: string): { documents: YamlDocument[]; problems: YamlProblem[] } {
  const lines = new LineCounter();
  const documents: YamlDocument[] = [];
  const problems: YamlProblem[] = [];
  let parsed: ReturnType<typeof parseAllDocuments>;
  try {
    // Warnings would go to stderr, and quote the text.
    const options = { prettyErrors: false, logLevel: 'error', merge: true } as const;
    parsed = parseAllDocuments(text, { lineCounter: lines, ...options });
  } catch (error) {
    if (error instanceof RangeError) return { documents, problems: [TOO_DEEP] };
    throw error;
  }
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const [error] = document.errors;
    if (error) {
      problems.push({ line: lines.linePos(error.pos[0]).line, ...syntaxError(error.code) });
      break; // what follows a syntax error is guesswork
    }
    const lineOf = (path: readonly PropertyKey[]) => lines.linePos(offsetOf(document.contents, path)).line;
    try {
      const value: unknown = document.toJS();
      if (value !== null && value !== undefined) documents.push({ value, lineOf });
    } catch (error) {
      if (error instanceof RangeError) problems.push(TOO_DEEP);
      else
        problems.push({
          line: lineOf([]),
          message: 'an alias (*name) has no anchor (&name), or there are too many aliases',
          fix: 'write the values out',
        });
    }
  }
  return { documents, problems };
}

function offsetOf(root: Node | null, path: readonly PropertyKey[]): number {
  let offset = root?.range?.[0] ?? 0;
  let at: unknown = root;
  for (const key of path) {
    if (!isCollection(at)) break;
    const pair: Pair | undefined = isMap(at)
      ? at.items.find(({ key: name }) => isScalar(name) && name.value === key)
      : undefined;
    const item: unknown = isMap(at) ? pair : at.items[Number(key)];
    const start = isPair(item) ? item.key : item;
    offset = (start as Node | undefined)?.range?.[0] ?? offset;
    at = isPair(item) ? item.value : item;
  }
  return offset;
}

/** The call stack is used up: thousands of levels. */
const TOO_DEEP: YamlProblem = {
  line: 1,
  message: 'it is nested too deeply',
  fix: 'write it with fewer levels of mappings and lists',
};

const SYNTAX: Readonly<Record<string, { message: string; fix: string }>> = {
  BAD_INDENT: {
    message: 'the indentation is wrong, or a bracket is not closed',
    fix: 'indent the fields of one mapping alike, with spaces',
  },
  TAB_AS_INDENT: { message: 'a tab is used to indent', fix: 'indent with spaces' },
  DUPLICATE_KEY: { message: 'a field is given twice', fix: 'remove one of the two' },
  MISSING_CHAR: {
    message: 'a closing quote, bracket or comma is missing',
    fix: 'close what is open here or above',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a mapping begins inside a value',
    fix: 'put a value that holds ": " in quotes',
  },
  MULTILINE_IMPLICIT_KEY: { message: 'a ":" is missing', fix: 'write each field as name: value' },
  BAD_SCALAR_START: { message: 'a value begins with a reserved character', fix: 'put the value in quotes' },
  TAG_RESOLVE_FAILED: { message: 'a tag (!name) is not known', fix: 'remove the tag' },
};

function syntaxError(code: string): { message: string; fix: string } {
  const known = SYNTAX[code] ?? {
    message: 'the text breaks off or has something out of place',
    fix: 'correct this line',
  };
  return { message: `this is not YAML: ${known.message}`, fix: known.fix };
}
