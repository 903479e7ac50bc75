/** Flags of the command line. Each has a variable: `--libvirt-uri` is CAPLV_LIBVIRT_URI. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { defaultStateDir } from '../app/global-flags.ts';

export function flag(flags: string, description: string): Option {
  const name = /--([a-z-]+)/.exec(flags)?.[1] ?? '';
  return new Option(flags, description).env(`CAPLV_${name.replaceAll('-', '_').toUpperCase()}`);
}

export function filenames(): Option {
  return flag('-f, --filename <file...>', 'manifest: a file, a directory, or - for standard input');
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

export function selector(): Option {
  return flag(
    '-l, --selector <labels>',
    'only objects with these labels: app=web, app!=db, tier in (a,b), !old',
  );
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
  return parent.command(name).description(description).configureHelp({ showGlobalOptions: true });
}
