/** Commands on objects: what is there, make it, show it, delete it. */

import { type Command, Option } from 'commander';
import {
  command,
  type Finish,
  filenames,
  flag,
  kubeconfig,
  objectOutput,
  output,
  recursive,
  selector,
  typedFilenames,
  typedFlag,
  typedSelector,
} from './options.ts';

/** Written out: the schemas of the kinds are not loaded for help. */
const KIND_NAMES =
  'clusters, machines, machinesets, machinedeployments or machinehealthchecks; short names too; with --kubeconfig also libvirtmachines, libvirtclusters and their templates';

/** Of a command that takes several. */
const OBJECTS = `KIND[,KIND] [NAME...], or KIND/NAME...; KIND: ${KIND_NAMES}; all: of each kind`;

export function addObjectCommands(program: Command, finish: Finish): void {
  command(program, 'apply', 'create or update what the manifests describe, now')
    .addOption(filenames().makeOptionMandatory())
    .addOption(recursive())
    .addOption(
      flag(
        '--dry-run [how]',
        'show what would be written, and write nothing (client: compare; server: have it checked)',
      ).choices(['client', 'server']),
    )
    .addOption(
      flag(
        '--wait [duration]',
        'wait until machines have an address, and sets and deployments their machines (5m, or for example 90s)',
      ),
    )
    .addOption(
      typedFlag(
        '--allow-restart',
        'allow a change that needs a restart of the guest (memory, vCPUs, interfaces, attached disks) and loses nothing else',
      ),
    )
    .addOption(
      typedFlag('--allow-replace', 'allow a domain to be replaced: its guest restarts, its disks stay'),
    )
    .addOption(
      typedFlag(
        '--allow-replace-disk <machine/disk...>',
        'allow this disk (root, or a name in disks) to be replaced or deleted; its data is lost',
      ),
    )
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/apply.ts')).apply(self.optsWithGlobals())),
    );

  command(
    program,
    'plan',
    'show which machines, networks and pools apply would create, replace or delete; exit 0 for none, 2 for some',
  )
    .argument(
      '[objects...]',
      'that are there, as KIND NAME... or KIND/NAME...; KIND: machine or cluster; with --kubeconfig also libvirtmachine or libvirtcluster',
    )
    .addOption(filenames())
    .addOption(recursive())
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/plan.ts')).plan(words, self.optsWithGlobals())),
    );

  addGet(program, finish);

  addDescribe(program, finish);

  command(program, 'delete', 'delete objects and everything on the hosts that belongs to them')
    .argument('[objects...]', OBJECTS)
    .addOption(typedFilenames())
    .addOption(recursive())
    .addOption(typedFlag('--all', 'all objects of the kinds in the namespace'))
    .addOption(typedSelector())
    .addOption(flag('--dry-run [how]', 'show what would be deleted, and delete nothing').choices(['client']))
    .addOption(typedFlag('--now', 'power guests off at once, without asking them to shut down'))
    .addOption(
      typedFlag(
        '--give-up',
        'if its host cannot be reached, delete the object and abandon what is on the host; lists what may be left',
      ),
    )
    .addOption(
      typedFlag('--cascade', 'with a cluster, delete its machines, and the sets and deployments of them'),
    )
    .addOption(flag('--timeout <duration>', 'stop waiting after this time (10m)'))
    .addOption(flag('--ignore-not-found', 'succeed if the object does not exist'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/delete.ts')).remove(words, self.optsWithGlobals())),
    );

  command(program, 'kubeconfig', 'write the kubeconfig of a cluster that runs on the machines')
    .argument('<cluster>', 'name of the Cluster: the key `value` of Secret <cluster>-kubeconfig')
    // Without a variable: that of other commands names a format.
    .addOption(
      new Option('-o, --output <file>', 'write this file, for you alone, instead of standard output'),
    )
    .addOption(kubeconfig())
    .action(async (cluster, _, self: Command) =>
      finish(
        await (await import('./commands/kubeconfig.ts')).writeKubeconfig(cluster, self.optsWithGlobals()),
      ),
    );

  command(program, 'ssh', 'log in to the guest of a machine, or run a command there')
    .usage('[options] <name> [-- command...]')
    .argument('<name>', 'NAME or machine/NAME; libvirtmachine/NAME for a LibvirtMachine')
    .argument('[command...]', 'words for the shell of the guest; none: a login shell')
    .addHelpText(
      'after',
      '\nExits with the code of the command, or with 255 if ssh cannot connect. The host key of a guest is kept when it is first seen, in\n' +
        'known_hosts/ of the state directory, and another key in its place is refused.',
    )
    .addOption(
      flag(
        '-l, --user <name>',
        "log in as this user (sshUser of the machine or its cluster, else ssh's choice)",
      ),
    )
    .addOption(flag('-i, --identity <file>', "private key (ssh's choice)"))
    .addOption(
      flag(
        '-J, --jump <destination>',
        '[USER@]HOST[:PORT] to connect through, or none (the host of the machine if its URI is qemu+ssh and the guest is in a network of it)',
      ),
    )
    .addOption(flag('-t, --tty', 'ask for a terminal in the guest, also with a command'))
    // Without a variable: it takes a protection away, for one call.
    .addOption(new Option('--new-host-key', 'forget the host key of the guest, and take the next one'))
    .addOption(flag('--print', 'print the ssh command in place of running it'))
    .addOption(kubeconfig())
    .action(async (name, words, _, self: Command) =>
      finish(await (await import('./commands/ssh.ts')).openShell(name, words, self.optsWithGlobals())),
    );

  command(program, 'console', 'open the serial console of a machine (leave it with ^])')
    .argument('<name>', 'NAME or machine/NAME; libvirtmachine/NAME for a LibvirtMachine')
    .addOption(flag('--print', 'print the virsh command in place of running it'))
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./commands/console.ts')).openConsole(name, self.optsWithGlobals())),
    );
}

function addGet(program: Command, finish: Finish): void {
  command(program, 'get', 'list objects')
    .argument('<objects...>', OBJECTS)
    .addOption(
      objectOutput(
        ...['wide', 'json', 'yaml', 'name', 'jsonpath=', 'jsonpath-file=', 'custom-columns='],
        'custom-columns-file=',
      ),
    )
    .addOption(flag('-A, --all-namespaces', 'of all namespaces'))
    .addOption(selector())
    .addOption(flag('-w, --watch', 'after listing them, show each change, until Ctrl-C'))
    .addOption(flag('--watch-only', 'show changes only'))
    .addOption(flag('--output-watch-events', 'with a watch, say whether each was ADDED, MODIFIED or DELETED'))
    .addOption(flag('--show-labels', 'a column with the labels'))
    .addOption(
      flag('--sort-by <path>', 'sort by the value at this JSONPath, for example .metadata.creationTimestamp'),
    )
    .addOption(flag('--no-headers', 'tables without their first line'))
    .addOption(flag('--ignore-not-found', 'succeed if an object does not exist'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/get.ts')).getCommand(words, self.optsWithGlobals())),
    );
}

function addDescribe(program: Command, finish: Finish): void {
  command(program, 'describe', 'show objects in detail')
    .argument('<objects...>', OBJECTS)
    .addHelpText(
      'after',
      '\nOf a machine: conditions, addresses, last operation, Terraform resources. Of any other: the tree of its machines, each\n' +
        'with why it is not ready. With --kubeconfig also the events of the object.',
    )
    .addOption(output('json', 'yaml'))
    .addOption(flag('-A, --all-namespaces', 'of all namespaces'))
    .addOption(selector())
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/describe.ts')).describe(words, self.optsWithGlobals())),
    );
}
