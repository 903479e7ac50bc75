/** Global flags, and what of them every command needs at its start: the rest of the settings is loaded with the command. */

import { homedir } from 'node:os';
import { join } from 'node:path';

/** Global flags as commander hands them over, all optional. */
export interface GlobalFlags {
  readonly libvirtUri?: string;
  readonly stateDir?: string;
  readonly namespace?: string;
  readonly watchNamespaces?: string;
  readonly providerMode?: 'warm' | 'fork';
  readonly terraform?: string;
  readonly stateHistory?: string;
  readonly terraformRuns?: string;
  readonly terraformRunsPerHost?: string;
  readonly allow?: string;
  readonly maxImageGb?: string;
  readonly verbose?: boolean;
  readonly color?: boolean;
}

export interface OutputSettings {
  readonly verbose: boolean;
  readonly color: boolean;
}

/** `$XDG_STATE_HOME/caplv`, else `~/.local/state/caplv` (XDG base directory specification). */
export function defaultStateDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'caplv');
}

/** How to speak to a person: never throws, so that other settings can be refused in words. */
export function outputSettings({ verbose, color }: GlobalFlags): OutputSettings {
  return { verbose: verbose ?? false, color: color ?? true };
}
