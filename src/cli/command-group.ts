import type { Command } from 'commander';

/** Told of the exit code at the end of a command. */
export type Finish = (exitCode: number) => void;

/** A command below `parent`. What it does is loaded when it runs: `caplv --help` needs none of it. */
export function command(parent: Command, name: string, description: string): Command {
  return parent.command(name).description(description).configureHelp({ showGlobalOptions: true });
}
