/** Commands on objects: what is there, make it, show it, delete it. */

import type { Command } from 'commander';
import { command, type Finish, filenames, flag, kubeconfig, output } from './options.ts';

/** Written out: the schemas of the kinds are not loaded for help. */
const KIND_NAMES =
  'clusters, machines, machinesets, machinedeployments or machinehealthchecks; short names too';

export function addObjectCommands(program: Command, finish: Finish): void {
  command(program, 'apply', 'make what the manifests say, now')
    .addOption(filenames().makeOptionMandatory())
    .addOption(
      flag(
        '--wait [duration]',
        'wait until machines have an address, and sets and deployments their machines (5m, or for example 90s)',
      ),
    )
    .addOption(flag('--allow-replace', 'let a domain be replaced: its guest restarts, its disks stay'))
    .addOption(
      flag(
        '--allow-replace-disk <machine/disk...>',
        'let this disk (root, or a name in disks) be replaced or deleted; what is on it is lost',
      ),
    )
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/apply.ts')).apply(self.optsWithGlobals())),
    );

  command(
    program,
    'plan',
    'show which machines, networks and pools apply would make, replace or delete; exit 0 for none, 2 for some',
  )
    .addOption(filenames().makeOptionMandatory())
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/plan.ts')).plan(self.optsWithGlobals())),
    );

  command(program, 'get', 'list objects')
    .argument('<kind>', KIND_NAMES)
    .argument('[name]')
    .addOption(output('wide', 'json', 'yaml', 'name'))
    .addOption(flag('-A, --all-namespaces', 'of all namespaces'))
    .addOption(kubeconfig())
    .action(async (kind, name, _, self: Command) =>
      finish(await (await import('./commands/get.ts')).getCommand(kind, name, self.optsWithGlobals())),
    );

  addDescribe(program, finish);

  command(program, 'delete', 'delete objects and all that is theirs on the hosts')
    .argument('[kind]', KIND_NAMES)
    .argument('[names...]')
    .addOption(filenames())
    .addOption(flag('--now', 'power guests off at once, without asking them to shut down'))
    .addOption(
      flag(
        '--give-up',
        'if its host cannot be reached, let the object go and leave what is there; says what that may be',
      ),
    )
    .addOption(flag('--cascade', 'with a cluster, delete its machines, and the sets and deployments of them'))
    .addOption(flag('--timeout <duration>', 'stop waiting after this time (10m)'))
    .addOption(flag('--ignore-not-found', 'a name that is not there is no error'))
    .addOption(kubeconfig())
    .action(async (kind, names, _, self: Command) =>
      finish(await (await import('./commands/delete.ts')).remove(kind, names, self.optsWithGlobals())),
    );

  command(program, 'console', 'open the serial console of a machine (leave it with ^])')
    .argument('<name>')
    .addOption(flag('--print', 'print the virsh command in place of running it'))
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./commands/console.ts')).openConsole(name, self.optsWithGlobals())),
    );
}

function addDescribe(program: Command, finish: Finish): void {
  command(program, 'describe', 'show one object with all that is known of it')
    .argument('<kind>', KIND_NAMES)
    .argument('<name>')
    .addHelpText(
      'after',
      '\nOf a machine: conditions, addresses, last operation, Terraform resources. Of any other: the tree of its machines, each\n' +
        'with why it is not ready.',
    )
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (kind, name, _, self: Command) =>
      finish(await (await import('./commands/describe.ts')).describe(kind, name, self.optsWithGlobals())),
    );
}
