/** Verifies that the commands and paths in the documentation exist. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { main } from '../src/cli/program.ts';
import { inlineCommands, shellBlocks } from './typed-commands.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGES = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs')).map((file) => join('docs', file)),
  'deploy/README.md',
  'test/lab/README.md',
  // The changelog tells of what was, too.
].filter((file) => file.endsWith('.md') && file !== 'CHANGELOG.md');

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

const commands = PAGES.flatMap((file) =>
  [
    ...shellBlocks(file).flatMap((block) => block.commands),
    ...inlineCommands(file, ['caplv', 'npm', 'npx', 'kubectl']),
  ].map((command) => ({ file, command })),
);

/** What stands in for a name, and ends what can be checked. */
const words = (command: string) =>
  command
    .split(/[;|&>]/)[0]
    ?.split(/\s+/)
    .filter(Boolean) ?? [];

describe('caplv knows each command and flag that a page tells to type', () => {
  const typed = commands
    .map(({ file, command }) => ({ file, command: command.replace(/^.*(?=\bcaplv [a-z])/, '') }))
    .filter(({ command }) => /^caplv [a-z]/.test(command));
  const subcommands = new Set(['state', 'export', 'rollout']);
  const helpOf = new Map<string, Promise<string>>();
  const help = (path: readonly string[]) => {
    const key = path.join(' ');
    const known = helpOf.get(key) ?? caplvHelp(path);
    helpOf.set(key, known);
    return known;
  };

  it.each(typed)('$file: $command', async ({ command }) => {
    const [, name = '', second = ''] = words(command);
    const path = subcommands.has(name) && /^[a-z]+$/.test(second) ? [name, second] : [name];
    const text = `${await help(path)}${await help(['options'])}`;
    for (const flag of command.match(/(?<= )--[a-z-]+|(?<= )-[a-z](?= |$)/g) ?? []) {
      expect(text).toMatch(new RegExp(`(^|[ ,])${flag}\\b`, 'm'));
    }
  });
});

describe('npm knows each script that a page tells to run', () => {
  const typed = commands.filter(({ command }) => /npm (run|test)\b/.test(command));
  it.each(typed)('$file: $command', ({ command }) => {
    const [, name = 'test'] = /npm run (?:-s |--silent )?([\w:]+)/.exec(command) ?? [];
    expect(Object.keys(scripts)).toContain(name);
  });
});

it('every path of this checkout in the documentation exists', () => {
  const paths = commands.flatMap(({ file, command }) =>
    [...command.matchAll(/(?<=^|[ (])(?:deploy|docs|test|src|stacks)\/(?!caplv-controller)[\w./-]+/g)].map(
      ([path]) => ({
        file,
        path,
      }),
    ),
  );
  expect(paths.length).toBeGreaterThan(5);
  expect(paths.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([]);
});

it('npx is for programs of packages: npx caplv takes a second where caplv takes a tenth of one', () => {
  expect(commands.filter(({ command }) => command.startsWith('npx caplv'))).toEqual([]);
});

/** In this process: each command would be one of its own, which takes longer to start than to print its help. */
async function caplvHelp(path: readonly string[]): Promise<string> {
  const isPage = path[0] === 'options';
  const printed: string[] = [];
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  try {
    expect(await main(isPage ? path : [...path, '--help']), `caplv ${path.join(' ')}`).toBe(0);
  } finally {
    stdout.mockRestore();
  }
  expect(printed.join('')).toMatch(isPage ? /^Flags of every/ : new RegExp(`^Usage: caplv ${path[0]}\\b`));
  return printed.join('');
}
