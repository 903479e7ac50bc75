/** Reads which objects a command names, as kubectl does: `KIND[,KIND…] [NAME…]`, or `KIND/NAME…`. Loads no kinds. */

import { TerminalError } from '../../errors.ts';

/** Objects of one kind. */
export interface ObjectRequest {
  /** As the user wrote it. */
  readonly kindName: string;
  /** Empty: all of them. */
  readonly names: readonly string[];
}

/** What `all` stands for. */
export const ALL_KINDS: readonly string[] = [
  'clusters',
  'machines',
  'machinesets',
  'machinedeployments',
  'machinehealthchecks',
];

/** Returns one request for each kind, in the order of `words`. Throws TerminalError InvalidConfiguration. */
export function parseObjectArguments(words: readonly string[]): ObjectRequest[] {
  const [kinds = '', ...names] = words;
  if (words.some((word) => word.includes('/'))) return merge(words.map(parsePair));
  const kindNames = kinds.split(',').map((kind) => kind.trim());
  if (kindNames.includes('') || names.includes('')) throw unclear(words.join(' '));
  return merge(
    kindNames
      .flatMap((kind) => (kind.toLowerCase() === 'all' ? ALL_KINDS : [kind]))
      .map((kindName) => ({ kindName, names })),
  );
}

function parsePair(word: string): ObjectRequest {
  const [kindName = '', name = '', ...more] = word.split('/');
  if (kindName === '' || name === '' || more.length > 0) throw unclear(word);
  return { kindName, names: [name] };
}

/** Joins what is of one kind; a name that is given twice counts once. */
function merge(requests: readonly ObjectRequest[]): ObjectRequest[] {
  const merged = new Map<string, ObjectRequest>();
  for (const { kindName, names } of requests) {
    const known = merged.get(kindName.toLowerCase());
    merged.set(kindName.toLowerCase(), {
      kindName: known?.kindName ?? kindName,
      names: [...new Set([...(known?.names ?? []), ...names])],
    });
  }
  return [...merged.values()];
}

function unclear(text: string): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    message: `"${text}" names no object`,
    fix: 'write a kind and names, as in machine web db, or KIND/NAME for each object, as in machine/web machineset/workers',
  });
}
