/** Writes docs/cli.md out of the command tree: every command with its arguments and flags, as `--help` shows them. */

import type { Argument, Command, Option } from 'commander';
import { defaultStateDir } from '../src/app/global-flags.ts';
import { commandTree } from '../src/cli/program.ts';

const HEAD = `# Command line

<!-- Written by \`npm run generate\` out of the command tree. -->

Every command of \`caplv\` with its arguments and flags. What they are for: [README](../README.md#use-it), step by step: [quickstart.md](quickstart.md).
A flag with a variable can be set by it; the flag wins. \`caplv COMMAND --help\` prints the same. Exit codes are at the end of \`caplv --help\`.
`;

/** Returns the text of docs/cli.md. */
export function cliReference(): string {
  const program = commandTree(() => {});
  const commands = program.commands.filter(isShown).flatMap(leaves);
  const sections = [...commands]
    .sort((one, other) => nameOf(one).localeCompare(nameOf(other)))
    .map((command) => section(`## ${nameOf(command)}`, command));
  return [
    HEAD,
    ...sections,
    `## Flags of every command\n\n${table(program.options.filter((one) => !one.hidden))}`,
  ].join('\n');
}

/** Returns the commands that do something: a group (`caplv state`) only holds others. */
function leaves(command: Command): Command[] {
  const below = command.commands.filter(isShown);
  return below.length === 0 ? [command] : below.flatMap(leaves);
}

function isShown(command: Command): boolean {
  // commander tells hidden commands only to its own help.
  return command.parent?.createHelp().visibleCommands(command.parent).includes(command) ?? true;
}

/** Returns the whole name: `caplv state pull`. */
function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

function section(heading: string, command: Command): string {
  const options = command.options.filter(({ hidden }) => !hidden);
  const described = command.registeredArguments.filter(({ description }) => description);
  return [
    heading,
    `${sentence(command.description())}`,
    `\`\`\`text\n${nameOf(command)} ${command.usage()}\n\`\`\``,
    ...(described.length > 0 ? [described.map(argumentLine).join('\n')] : []),
    ...(options.length > 0 ? [table(options)] : []),
  ]
    .join('\n\n')
    .concat('\n')
    .replace(/\n+$/, '\n');
}

function argumentLine(argument: Argument): string {
  return `- \`${argument.name()}\`: ${cell(argument.description)}`;
}

function table(options: readonly Option[]): string {
  const rows = options.map(
    ({ flags, envVar, description, argChoices }) =>
      `| \`${flags.replaceAll('|', '\\|')}\` | ${envVar ? `\`${envVar}\`` : ''} | ${cell(description)}${argChoices ? `: ${argChoices.join(', ')}` : ''} |`,
  );
  return `| Flag | Variable | Meaning |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function cell(text: string): string {
  return text
    .replaceAll(defaultStateDir(), '~/.local/state/caplv')
    .replaceAll('|', '\\|')
    .replaceAll('<', '\\<')
    .replaceAll('\n', ' ');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${cell(text.slice(1))}.`;
}
