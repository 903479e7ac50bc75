/** The `caplv` command line: what there is, with help; each command is a file in src/cli/. */

import { Command, CommanderError } from 'commander';
import { type GlobalFlags, outputSettings } from '../app/global-flags.ts';
import { withTraceExport } from '../telemetry/otlp-export.ts';
import { VERSION } from '../version.ts';
import { addChangeCommands } from './change-commands.ts';
import { addObjectCommands } from './object-commands.ts';
import { type Finish, globalFlagsText, HELP, withGlobalFlags } from './options.ts';
import { reportError } from './output/errors.ts';
import { EXIT, exitCodeOf } from './output/exit-code.ts';
import { openTerminal } from './output/streams.ts';
import { addPowerCommands } from './power-commands.ts';
import { addServiceCommands } from './service-commands.ts';
import { addStateCommands } from './state-commands.ts';

const EXAMPLES = `
Examples:
  caplv doctor                                    is everything there that caplv needs?
  caplv apply -f deploy/examples/kube-cp.yaml --wait
  caplv get machines -o wide
  caplv plan -f deploy/examples/kube-cp.yaml      what would apply change?
  caplv describe machine kube-cp
  caplv ssh kube-cp -- uptime
  caplv console kube-cp
  caplv stop kube-cp                              shut it down; caplv start kube-cp starts it again
  caplv delete machine kube-cp

Exit codes: 0 done, 1 failed, 2 plan shows changes or orphans finds some, 3 refused input or usage, 4 replacement refused,
5 not ready within --wait, 130 interrupted.
Flags of every command: caplv options
Flags have a variable, --libvirt-uri is CAPLV_LIBVIRT_URI and so on, but those that delete or replace something. NO_COLOR is respected.`;

/** Runs one command line (without node and script). Returns the exit code; never throws for what a user may do. */
export async function main(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const program = commandTree((result) => {
    code = result;
  });
  if (args[0] === '__complete')
    return (await import('./completion/complete.ts')).complete(program, args.slice(1));
  try {
    await withTraceExport(process.env, () => program.parseAsync([...args], { from: 'user' }));
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.refused;
    reportError(openTerminal(outputSettings(program.opts<GlobalFlags>())), error);
    return exitCodeOf(error);
  }
}

/** Returns all commands with their flags; none is run yet. */
export function commandTree(finish: Finish): Command {
  const program = new Command('caplv')
    .description('Virtual machines on libvirt from Cluster API manifests, with Terraform as the engine.')
    .version(VERSION)
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .configureHelp(HELP)
    .exitOverride();
  addObjectCommands(program, finish);
  addChangeCommands(program, finish);
  addPowerCommands(program, finish);
  addStateCommands(program, finish);
  addServiceCommands(program, finish);
  program
    .command('options')
    .description('list the flags of every command')
    .action(() => void process.stdout.write(globalFlagsText(program)));
  return withGlobalFlags(program);
}
