/** Reads what `label` and `annotate` are given: objects, then KEY=VALUE to set and KEY- to remove. */

import { TerminalError } from '../../errors.ts';

export interface MetadataChange {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface MetadataArguments extends MetadataChange {
  /** What comes before them. */
  readonly objects: readonly string[];
}

const KEY = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[a-zA-Z0-9](?:[\w.-]{0,61}[a-zA-Z0-9])?$/;
const LABEL_VALUE = /^(?:[a-zA-Z0-9](?:[\w.-]{0,61}[a-zA-Z0-9])?)?$/;

/** `what`: labels have narrower values than annotations. Throws TerminalError InvalidConfiguration. */
export function parseMetadataArguments(
  words: readonly string[],
  what: 'label' | 'annotation',
): MetadataArguments {
  const first = words.findIndex(isChange);
  const changes = first === -1 ? [] : words.slice(first);
  if (changes.length === 0)
    throw refused(`no ${what} is given`, `add KEY=VALUE to set it, or KEY- to remove it`);
  const set: Record<string, string> = {};
  const remove: string[] = [];
  for (const change of changes) {
    const equals = change.indexOf('=');
    if (!isChange(change)) throw refused(`"${change}" is neither KEY=VALUE nor KEY-`, 'name objects first');
    const key = equals === -1 ? change.slice(0, -1) : change.slice(0, equals);
    if (!KEY.test(key))
      throw refused(
        `"${key}" cannot be the name of a ${what}`,
        'write NAME or PREFIX/NAME, for example example.com/tier',
      );
    if (key in set || remove.includes(key)) throw refused(`"${key}" is given twice`, 'leave one of them out');
    const value = change.slice(equals + 1);
    if (equals === -1) remove.push(key);
    else if (what === 'label' && !LABEL_VALUE.test(value))
      throw refused(
        `"${value}" cannot be the value of a label`,
        'use at most 63 letters, digits, dots, dashes and underscores; annotations may hold any text',
      );
    else set[key] = value;
  }
  return { objects: words.slice(0, first), set, remove };
}

/** No name of an object has an equals sign, or ends in a dash. */
function isChange(word: string): boolean {
  return word.includes('=') || word.endsWith('-');
}

function refused(message: string, fix: string): TerminalError {
  return new TerminalError({ code: 'InvalidConfiguration', message, fix });
}
