/** Flags of the command line. Each has a variable, `--libvirt-uri` is CAPLV_LIBVIRT_URI, but those that delete or replace something. */

import { type Command, Help, InvalidArgumentError, Option } from 'commander';
import { defaultStateDir } from '../app/global-flags.ts';

export function flag(flags: string, description: string): Option {
  const name = /--([a-z-]+)/.exec(flags)?.[1] ?? '';
  return new Option(flags, description).env(`CAPLV_${name.replaceAll('-', '_').toUpperCase()}`);
}

/** A flag by which something is deleted or replaced, or that says what: it is typed each time, and no variable stands for it. */
export function typedFlag(flags: string, description: string): Option {
  return new Option(flags, description);
}

const FILENAMES = [
  '-f, --filename <file...>',
  'manifest: a file, a directory, an https:// or http:// URL, or - for standard input',
] as const;

export function filenames(): Option {
  return flag(...FILENAMES);
}

/** Of `delete`. */
export function typedFilenames(): Option {
  return typedFlag(...FILENAMES);
}

export function recursive(): Option {
  return typedFlag('-R, --recursive', 'of a directory: also the manifests in directories below it');
}

export function output(...formats: readonly string[]): Option {
  return flag('-o, --output <format>', 'output format').choices(formats);
}

/** Of `get`: formats, those that end in `=` followed by what to print. */
export function objectOutput(...formats: readonly string[]): Option {
  return flag('-o, --output <format>', `output format: ${formats.join(', ')}`).argParser((value: string) => {
    const name = value.replace(/=.*$/s, '=');
    if (formats.includes(name)) return value;
    throw new InvalidArgumentError(`Allowed choices are ${formats.join(', ')}.`);
  });
}

const SELECTOR = [
  '-l, --selector <labels>',
  'only objects with these labels: app=web, app!=db, tier in (a,b), !old',
] as const;

export function selector(): Option {
  return flag(...SELECTOR);
}

/** Of commands that change what it selects. */
export function typedSelector(): Option {
  return typedFlag(...SELECTOR);
}

export function kubeconfig(): Option {
  return flag('--kubeconfig <file>', 'work on this cluster instead of the local store');
}

/** Those of every command. */
export function withGlobalFlags(program: Command): Command {
  const flags = [
    flag('--libvirt-uri <uri>', 'host for manifests that name none (qemu:///system)'),
    flag('--state-dir <dir>', `objects and Terraform states (${defaultStateDir()})`),
    flag('-n, --namespace <name>', 'namespace (default)'),
    flag(
      '--watch-namespaces <names>',
      'of a cluster: only objects in these namespaces, divided by commas (all)',
    ),
    flag('--provider-mode <mode>', 'warm: one provider process per host; fork: one per run (warm)').choices([
      'warm',
      'fork',
    ]),
    flag('--terraform <path>', 'terraform or tofu to use (from PATH)'),
    flag('--state-history <n>', 'earlier serials of each Terraform state that are kept (5)'),
    flag('--terraform-runs <n>', 'parallel terraform processes (one more than there are cores)'),
    flag('--terraform-runs-per-host <n>', 'of them on one libvirt host (as many)'),
    flag(
      '--allow <what>',
      'what manifests may name: URLs, directories, hosts, networks, pools, …; see SECURITY.md (everything; for a cluster: https:// and --libvirt-uri)',
    ),
    flag('--max-image-gb <n>', 'largest image, in GB (no limit; for a cluster: 128)'),
    flag('-v, --verbose', 'say more'),
    flag('--no-color', 'no colour'),
  ];
  for (const one of flags) program.addOption(one);
  return program;
}

/** Told of the exit code at the end of a command. */
export type Finish = (exitCode: number) => void;

/** A command below `parent`. What it does is loaded when it runs: `caplv --help` needs none of it. */
export function command(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addHelpText('after', '\nFlags of every command: caplv options');
}

/** How help of all commands is written. The flags of every command have a page of their own. */
export const HELP: Partial<Help> = {
  visibleOptions(command) {
    const options = Help.prototype.visibleOptions.call(this, command);
    return command.parent ? options : options.filter(isOwnOption);
  },
};

/** Lists the flags of every command. */
export function globalFlagsText(program: Command): string {
  const help = program.createHelp();
  const options = program.options.filter((option) => !isOwnOption(option));
  const width = Math.max(...options.map((option) => help.optionTerm(option).length));
  help.prepareContext({ helpWidth: process.stdout.columns || 80 });
  const lines = options.map((option) =>
    help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
  );
  return ['Flags of every command:', ...lines, ''].join('\n');
}

function isOwnOption(option: Option): boolean {
  return option.long === '--help' || option.long === '--version';
}
