/** Commands on Terraform states: what is in none, a state as plain Terraform, the state of a machine or host. */

import type { Command } from 'commander';
import { command, type Finish, kubeconfig, output, typedFlag } from './options.ts';

export function addStateCommands(program: Command, finish: Finish): void {
  command(
    program,
    'orphans',
    'list libvirt objects that no Terraform state tracks; exit 0 for none, 2 for some',
  )
    .addOption(
      typedFlag('--fix', 'import what belongs to a Machine, delete what CAPLV created and belongs to none'),
    )
    .addOption(output('wide', 'json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/orphans.ts')).orphans(self.optsWithGlobals())),
    );

  const exporting = program.command('export').description('write an object as plain Terraform');
  command(exporting, 'machine', 'configuration and state, for terraform -chdir=DIR plan')
    .argument('<name>', 'NAME or machine/NAME; libvirtmachine/NAME for a LibvirtMachine')
    .argument('<dir>', 'new or empty directory')
    .addOption(kubeconfig())
    .action(async (name, dir, _, self: Command) =>
      finish(await (await import('./commands/export.ts')).exportMachine(name, dir, self.optsWithGlobals())),
    );

  const state = program
    .command('state')
    .description('show the Terraform state of a machine, or of what the machines of a host share');
  const of = [
    '<machine|uri>',
    'machine: NAME, machine/NAME or libvirtmachine/NAME; uri: libvirt URI of a host as its Cluster has it',
  ] as const;
  command(state, 'pull', 'print the state as Terraform wrote it, with its secrets')
    .argument(...of)
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./commands/state.ts')).pullState(name, self.optsWithGlobals())),
    );
  command(state, 'list', 'addresses of the resources in it')
    .argument(...of)
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./commands/state.ts')).listState(name, self.optsWithGlobals())),
    );
  command(state, 'show', 'attributes of its resources, or of one, without secrets')
    .argument(...of)
    .argument('[address]')
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (name, address, _, self: Command) =>
      finish(await (await import('./commands/state.ts')).showState(name, address, self.optsWithGlobals())),
    );
  command(state, 'history', 'list the kept serials, latest first')
    .argument(...of)
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./commands/state-history.ts')).stateHistory(name, self.optsWithGlobals())),
    );
  command(state, 'restore', 'restore a kept serial, and show the plan of the machine with it')
    .argument(...of)
    .argument('<serial>', 'as history lists it')
    .addOption(kubeconfig())
    .action(async (name, serial, _, self: Command) =>
      finish(
        await (await import('./commands/state-history.ts')).restoreState(
          name,
          serial,
          self.optsWithGlobals(),
        ),
      ),
    );
}
