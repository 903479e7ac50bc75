/** Commands that make or check an installation: the controllers, what they need, and the way in for stacks that cdktf deploys. */

import { Argument, type Command } from 'commander';
import { completionScript, SHELLS, type Shell } from './completion/script.ts';
import { command, type Finish, filenames, flag, output } from './options.ts';

export function addServiceCommands(program: Command, finish: Finish): void {
  program
    .command('register', { hidden: true })
    .description('record a Machine and prepare its host; used by stacks that cdktf deploys')
    .argument('<name>')
    .addOption(filenames().makeOptionMandatory())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./commands/register.ts')).register(name, self.optsWithGlobals())),
    );

  command(program, 'controller', 'run the controllers until stopped, over a cluster or the local store')
    .addOption(
      flag(
        '--kubeconfig <file>',
        'cluster to work for ($KUBECONFIG, ~/.kube/config, the service account of the pod)',
      ),
    )
    .addOption(flag('--local', 'over the local store, for one host without Kubernetes'))
    .addOption(flag('--listen <address>', 'serve /healthz, /readyz and /metrics, for example :8080'))
    .addOption(flag('--concurrency <n>', 'machines that are reconciled in parallel (16)'))
    .addOption(
      flag(
        '--plan-interval <duration>',
        'how often each machine is checked with terraform plan, with jitter; 0: never (30m)',
      ),
    )
    .addOption(
      flag(
        '--repair-limit <percent>',
        'machines of a host or set that repair may create again within the window, at least one (20%)',
      ),
    )
    .addOption(flag('--repair-window <duration>', 'that window (1h)'))
    .addOption(
      flag(
        '--sweep-interval <duration>',
        'how often hosts are searched for objects that no Terraform state tracks (5m)',
      ),
    )
    .addOption(
      flag(
        '--watch-filter <value>',
        'serve only LibvirtMachines and LibvirtClusters with the label cluster.x-k8s.io/watch-filter=<value>',
      ),
    )
    .addOption(
      flag(
        '--serving-certificates <what>',
        'approve: certificates that kubelets of machines request, where names and addresses match (ignore)',
      ).choices(['approve', 'ignore']),
    )
    .addOption(
      flag('--log-format <format>', 'json or pretty (pretty with --local on a terminal, else json)').choices([
        'json',
        'pretty',
      ]),
    )
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/controller.ts')).controller(self.optsWithGlobals())),
    );

  command(program, 'version', 'show the versions of caplv, Terraform, its provider and libvirt')
    .addOption(flag('--client', 'of caplv only'))
    .addOption(output('json', 'yaml'))
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/version.ts')).showVersion(self.optsWithGlobals())),
    );

  program
    .command('completion')
    .description('print a script that completes commands, flags and names of objects in a shell')
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .addHelpText('after', '\nIn bash: source <(caplv completion bash); put that line into ~/.bashrc.')
    .action((shell: Shell) => void process.stdout.write(completionScript(shell)));

  command(
    program,
    'doctor',
    'check terraform, provider, libvirt, KVM, pool and network; --fix creates what is missing',
  )
    .addOption(output('json', 'yaml'))
    .addOption(flag('--pool <name>', 'pool to look for (default)'))
    .addOption(flag('--network <name>', 'network to look for (default)'))
    // Without variables: what changes a host is said in the very call.
    .option('--fix', 'create or start the pool and network that are missing, after asking on the terminal')
    .option('--yes', 'with --fix: do not ask')
    .action(async (_, self: Command) =>
      finish(await (await import('./commands/doctor.ts')).doctor(self.optsWithGlobals())),
    );
}
