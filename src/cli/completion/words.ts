/** Reads a command line that is being typed: which command it is, and what its next word may be. */

import type { Command, Option } from 'commander';
import { ALL_KINDS } from '../names/object-arguments.ts';

/** What may stand at the end of the line. */
export interface Completion {
  /** Words that are known at once. */
  readonly words: readonly string[];
  /** Objects whose names may stand there, after `prefix`: `machine/`, or nothing. */
  readonly objects?: { readonly kindName: string; readonly prefix: string };
  /** Flags that were typed, by their long names without dashes: which store the names are in. */
  readonly flags: ReadonlyMap<string, string>;
}

/** Arguments that take objects of any kind. */
const OBJECTS = new Set(['objects', 'words']);
/** Arguments that take an object of one kind. */
const KIND_OF: Readonly<Record<string, string>> = {
  name: 'machines',
  'machine|uri': 'machines',
  cluster: 'clusters',
};

/** `typed`: all words after the program's name; the last one is not complete, and may be empty. */
export function completionOf(program: Command, typed: readonly string[]): Completion {
  const words = joinEquals(typed);
  const last = words.at(-1) ?? '';
  const { command, flags, positionals, pending } = walk(program, words.slice(0, -1));
  const some = (candidates: readonly string[], rest: Partial<Completion> = {}): Completion => ({
    words: candidates.filter((candidate) => candidate.startsWith(last)),
    flags,
    ...rest,
  });
  if (pending) return some(pending.argChoices ?? []);
  const equals = /^(--[a-z-]+)=/.exec(last);
  if (equals) {
    const choices = optionNamed(command, equals[1] ?? '')?.argChoices ?? [];
    return some(choices.map((choice) => `${equals[1]}=${choice}`));
  }
  if (last.startsWith('-')) return some(longFlags(command));
  const below = command.commands.filter((one) => !isHidden(one)).map((one) => one.name());
  if (below.length > 0)
    return some(positionals.length === 0 ? [...below, ...(command.parent ? [] : ['help'])] : []);
  return { ...some([]), ...argumentOf(command, positionals, last) };
}

/** What an argument may be: a kind, KIND/NAME, or the name of an object. */
function argumentOf(command: Command, positionals: readonly string[], last: string): Partial<Completion> {
  const expected = command.registeredArguments;
  const argument = expected[Math.min(positionals.length, expected.length - 1)];
  if (!argument || (positionals.length >= expected.length && !argument.variadic)) return {};
  if (argument.argChoices) return { words: argument.argChoices.filter((choice) => choice.startsWith(last)) };
  const kindName = KIND_OF[argument.name()];
  if (kindName) return { objects: { kindName, prefix: '' } };
  if (!OBJECTS.has(argument.name())) return {};
  const slash = last.indexOf('/');
  if (slash > 0) return { objects: { kindName: last.slice(0, slash), prefix: last.slice(0, slash + 1) } };
  const [first] = positionals;
  if (first === undefined) return { words: ALL_KINDS.filter((kind) => kind.startsWith(last)) };
  return first.includes('/') ? {} : { objects: { kindName: first.split(',')[0] ?? '', prefix: '' } };
}

interface Walked {
  readonly command: Command;
  readonly flags: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
  /** A flag that waits for its value. */
  readonly pending?: Option | undefined;
}

function walk(program: Command, words: readonly string[]): Walked {
  let command = program;
  const flags = new Map<string, string>();
  const positionals: string[] = [];
  let pending: Option | undefined;
  for (const word of words) {
    if (pending) {
      flags.set(nameOf(pending), word);
      pending = undefined;
    } else if (word.startsWith('-') && word !== '-') {
      const [flag = '', value] = word.split(/=(.*)/s, 2);
      const option = optionNamed(command, flag);
      if (option && value !== undefined) flags.set(nameOf(option), value);
      else if (option?.required) pending = option;
    } else {
      const below = positionals.length === 0 && command.commands.find((one) => one.name() === word);
      if (below) command = below;
      else positionals.push(word);
    }
  }
  return { command, flags, positionals, pending };
}

/** Bash divides words at equals signs: `--dry-run`, `=`, `cl`. */
function joinEquals(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (const word of words) {
    const before = joined.at(-1);
    const isPart = word === '=' ? /^--[a-z-]+$/.test(before ?? '') : /^--[a-z-]+=$/.test(before ?? '');
    if (isPart) joined[joined.length - 1] = `${before}${word}`;
    else joined.push(word);
  }
  return joined;
}

function optionNamed(command: Command, flag: string): Option | undefined {
  for (let at: Command | null = command; at; at = at.parent) {
    const found = at.options.find((option) => option.long === flag || option.short === flag);
    if (found) return found;
  }
  return undefined;
}

function longFlags(command: Command): string[] {
  const flags: string[] = ['--help'];
  for (let at: Command | null = command; at; at = at.parent)
    flags.push(...at.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? []));
  return [...new Set(flags)].sort();
}

function nameOf({ long, short }: Option): string {
  return (long ?? short ?? '').replace(/^-+/, '');
}

function isHidden(command: Command): boolean {
  return !command.parent?.createHelp().visibleCommands(command.parent).includes(command);
}
