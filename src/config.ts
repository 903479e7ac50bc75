/** Settings of one call: flags win over CAPLV_* variables, which win over defaults. */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Terminal } from './errors.ts';
import { KEPT_SERIALS } from './terraform/state-history.ts';

export interface Config {
  /** libvirt connection URI for manifests that name none. */
  readonly libvirtUri: string;
  /** Absolute path; holds objects, Terraform states and locks. */
  readonly stateDir: string;
  readonly namespace: string;
  readonly providerMode: 'warm' | 'fork';
  /** Explicit path of terraform or tofu. */
  readonly terraform: string | undefined;
  /** How many serials of each state are kept. */
  readonly keptSerials: number;
  readonly verbose: boolean;
  readonly color: boolean;
}

/** Global flags as commander hands them over, all optional. */
export interface GlobalFlags {
  readonly libvirtUri?: string;
  readonly stateDir?: string;
  readonly namespace?: string;
  readonly providerMode?: 'warm' | 'fork';
  readonly terraform?: string;
  readonly stateHistory?: string;
  readonly verbose?: boolean;
  readonly color?: boolean;
}

export const DEFAULT_LIBVIRT_URI = 'qemu:///system';

/** `$XDG_STATE_HOME/caplv`, else `~/.local/state/caplv` (XDG base directory specification). */
export function defaultStateDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'caplv');
}

export function configOf(flags: GlobalFlags): Config {
  return {
    libvirtUri: flags.libvirtUri ?? DEFAULT_LIBVIRT_URI,
    stateDir: resolve(flags.stateDir ?? defaultStateDir()),
    namespace: flags.namespace ?? 'default',
    providerMode: flags.providerMode ?? 'warm',
    terraform: flags.terraform,
    keptSerials: keptSerialsOf(flags.stateHistory),
    verbose: flags.verbose ?? false,
    color: flags.color ?? true,
  };
}

function keptSerialsOf(text: string | undefined): number {
  if (text === undefined) return KEPT_SERIALS;
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new Terminal({
    code: 'InvalidConfiguration',
    path: '--state-history',
    message: `"${text}" cannot be used`,
    fix: 'a number from 0 (none are kept) to 999',
  });
}
