/** The `caplv` command line: what there is, with help; each command is a file in src/cli/. */

import { Command, CommanderError, Option } from 'commander';
import { reportError } from './cli/error-report.ts';
import { EXIT, exitCodeOf } from './cli/exit-code.ts';
import { openTerminal } from './cli/terminal.ts';
import { configOf, defaultStateDir, type GlobalFlags } from './config.ts';
import { withTraceExport } from './trace-export.ts';
import { VERSION } from './version.ts';

const EXAMPLES = `
Examples:
  caplv doctor                                    is everything there that caplv needs?
  caplv apply -f deploy/examples/kube-cp.yaml --wait
  caplv get machines -o wide
  caplv plan -f deploy/examples/kube-cp.yaml      what would apply change?
  caplv describe machine kube-cp
  caplv console kube-cp
  caplv delete machine kube-cp

Exit codes: 0 done, 1 failed, 2 plan shows changes or orphans finds some, 3 refused input or usage, 4 replacement refused,
5 not ready within --wait, 130 interrupted.
Every flag has a variable: --libvirt-uri is CAPLV_LIBVIRT_URI, and so on. NO_COLOR is respected.`;

/** Written out: the schemas of the kinds are not loaded for help. */
const KIND_NAMES =
  'clusters, machines, machinesets, machinedeployments or machinehealthchecks; short names too';

/** Runs one command line (without node and script). Returns the exit code; never throws for what a user may do. */
export async function main(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const program = build((result) => {
    code = result;
  });
  try {
    await withTraceExport(process.env, () => program.parseAsync([...args], { from: 'user' }));
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.refused;
    reportError(openTerminal(configOf(program.opts<GlobalFlags>())), error);
    return exitCodeOf(error);
  }
}

/** Commands are loaded when they run: `caplv --help` needs none of them. */
function build(finish: (code: number) => void): Command {
  const program = new Command('caplv')
    .description('Virtual machines on libvirt from Cluster API manifests, with Terraform as the engine.')
    .version(VERSION)
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();

  const filenames = () =>
    new Option('-f, --filename <file...>', 'manifest: a file, a directory, or - for standard input').env(
      'CAPLV_FILENAME',
    );
  const output = (...choices: readonly string[]) =>
    new Option('-o, --output <format>', 'output format').choices(choices).env('CAPLV_OUTPUT');

  const kubeconfig = () =>
    new Option('--kubeconfig <file>', 'work on this cluster, and not on the local store').env(
      'CAPLV_KUBECONFIG',
    );

  const command = (parent: Command, name: string, description: string) =>
    parent.command(name).description(description).configureHelp({ showGlobalOptions: true });

  command(program, 'apply', 'make what the manifests say, now')
    .addOption(filenames().makeOptionMandatory())
    .addOption(
      new Option('--wait [duration]', 'wait until machines have an address (5m, or for example 90s)').env(
        'CAPLV_WAIT',
      ),
    )
    .addOption(
      new Option('--allow-replace', 'let a domain or disk be replaced; what is on it is lost').env(
        'CAPLV_ALLOW_REPLACE',
      ),
    )
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./cli/apply.ts')).apply(self.optsWithGlobals())),
    );

  command(program, 'plan', 'show what apply would change; exit 0 for nothing, 2 for changes')
    .addOption(filenames().makeOptionMandatory())
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./cli/plan.ts')).plan(self.optsWithGlobals())),
    );

  command(program, 'get', 'list objects')
    .argument('<kind>', KIND_NAMES)
    .argument('[name]')
    .addOption(output('wide', 'json', 'yaml', 'name'))
    .addOption(new Option('-A, --all-namespaces', 'of all namespaces').env('CAPLV_ALL_NAMESPACES'))
    .addOption(kubeconfig())
    .action(async (kind, name, _, self: Command) =>
      finish(await (await import('./cli/get.ts')).get(kind, name, self.optsWithGlobals())),
    );

  const describe = program.command('describe').description('show one object with all that is known of it');
  command(describe, 'machine', 'conditions, addresses, last operation, Terraform resources')
    .argument('<name>')
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/describe.ts')).describeMachine(name, self.optsWithGlobals())),
    );

  command(describe, 'cluster', 'the tree of its machines, each with why it is not ready')
    .argument('<name>')
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/describe-cluster.ts')).describeCluster(name, self.optsWithGlobals())),
    );

  command(program, 'delete', 'delete objects and all that is theirs on the hosts')
    .argument('[kind]', KIND_NAMES)
    .argument('[names...]')
    .addOption(filenames())
    .addOption(
      new Option('--now', 'power guests off at once, without asking them to shut down').env('CAPLV_NOW'),
    )
    .addOption(
      new Option(
        '--give-up',
        'if its host cannot be reached, let the object go and leave what is there; says what that may be',
      ).env('CAPLV_GIVE_UP'),
    )
    .addOption(new Option('--timeout <duration>', 'stop waiting after this time (10m)').env('CAPLV_TIMEOUT'))
    .addOption(
      new Option('--ignore-not-found', 'a name that is not there is no error').env('CAPLV_IGNORE_NOT_FOUND'),
    )
    .addOption(kubeconfig())
    .action(async (kind, names, _, self: Command) =>
      finish(await (await import('./cli/delete.ts')).remove(kind, names, self.optsWithGlobals())),
    );

  command(program, 'console', 'open the serial console of a machine (leave it with ^])')
    .argument('<name>')
    .addOption(new Option('--print', 'print the virsh command in place of running it').env('CAPLV_PRINT'))
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/console.ts')).openConsole(name, self.optsWithGlobals())),
    );

  command(
    program,
    'orphans',
    'what is on the hosts and in no Terraform state; exit 0 for nothing, 2 for some',
  )
    .addOption(
      new Option('--fix', 'bring back what belongs to a Machine, remove what is ours and of none').env(
        'CAPLV_FIX',
      ),
    )
    .addOption(output('wide', 'json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (_, self: Command) =>
      finish(await (await import('./cli/orphans.ts')).orphans(self.optsWithGlobals())),
    );

  const exporting = program.command('export').description('write an object as plain Terraform');
  command(exporting, 'machine', 'configuration and state, for terraform -chdir=DIR plan')
    .argument('<name>')
    .argument('<dir>', 'new or empty directory')
    .action(async (name, dir, _, self: Command) =>
      finish(await (await import('./cli/export.ts')).exportMachine(name, dir, self.optsWithGlobals())),
    );

  const state = program.command('state').description('the Terraform state of a machine');
  command(state, 'pull', 'print it as Terraform wrote it, secrets and all')
    .argument('<machine>')
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/state.ts')).pullState(name, self.optsWithGlobals())),
    );
  command(state, 'list', 'addresses of the resources in it')
    .argument('<machine>')
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/state.ts')).listState(name, self.optsWithGlobals())),
    );
  command(state, 'show', 'attributes of its resources, or of one, without secrets')
    .argument('<machine>')
    .argument('[address]')
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (name, address, _, self: Command) =>
      finish(await (await import('./cli/state.ts')).showState(name, address, self.optsWithGlobals())),
    );

  command(state, 'history', 'serials of it that are kept, latest first')
    .argument('<machine>')
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/state-history.ts')).stateHistory(name, self.optsWithGlobals())),
    );
  command(state, 'restore', 'put a kept serial in its place, and show what a plan then says')
    .argument('<machine>')
    .argument('<serial>', 'as history lists it')
    .addOption(kubeconfig())
    .action(async (name, serial, _, self: Command) =>
      finish(
        await (await import('./cli/state-history.ts')).restoreState(name, serial, self.optsWithGlobals()),
      ),
    );

  program
    .command('register', { hidden: true })
    .description('record a Machine and prepare its host; used by stacks that cdktf deploys')
    .argument('<name>')
    .addOption(filenames().makeOptionMandatory())
    .action(async (name, _, self: Command) =>
      finish(await (await import('./cli/register.ts')).register(name, self.optsWithGlobals())),
    );

  command(program, 'controller', 'run the controllers until stopped, over a cluster or the local store')
    .addOption(
      new Option(
        '--kubeconfig <file>',
        'cluster to work for ($KUBECONFIG, ~/.kube/config, the service account of the pod)',
      ).env('CAPLV_KUBECONFIG'),
    )
    .addOption(
      new Option('--local', 'over the local store, for one host without Kubernetes').env('CAPLV_LOCAL'),
    )
    .addOption(
      new Option('--listen <address>', 'serve /healthz, /readyz and /metrics, for example :8080').env(
        'CAPLV_LISTEN',
      ),
    )
    .addOption(
      new Option('--concurrency <n>', 'machines that are worked on side by side (16)').env(
        'CAPLV_CONCURRENCY',
      ),
    )
    .addOption(
      new Option(
        '--plan-interval <duration>',
        'look at each machine with terraform plan this often, a little more or less; 0: never (30m)',
      ).env('CAPLV_PLAN_INTERVAL'),
    )
    .addOption(
      new Option(
        '--repair-limit <percent>',
        'machines of a host or set that repair may make anew within the window, at least one (20%)',
      ).env('CAPLV_REPAIR_LIMIT'),
    )
    .addOption(new Option('--repair-window <duration>', 'that window (1h)').env('CAPLV_REPAIR_WINDOW'))
    .addOption(
      new Option(
        '--sweep-interval <duration>',
        'how often hosts are searched for what is in no Terraform state (5m)',
      ).env('CAPLV_SWEEP_INTERVAL'),
    )
    .addOption(
      new Option('--log-format <format>', 'json or pretty (json)')
        .choices(['json', 'pretty'])
        .env('CAPLV_LOG_FORMAT'),
    )
    .action(async (_, self: Command) =>
      finish(await (await import('./cli/controller.ts')).controller(self.optsWithGlobals())),
    );

  command(program, 'doctor', 'check terraform, provider, libvirt, KVM, pool and network')
    .addOption(output('json', 'yaml'))
    .addOption(new Option('--pool <name>', 'pool to look for (default)').env('CAPLV_POOL'))
    .addOption(new Option('--network <name>', 'network to look for (default)').env('CAPLV_NETWORK'))
    .action(async (_, self: Command) =>
      finish(await (await import('./cli/doctor.ts')).doctor(self.optsWithGlobals())),
    );

  return withGlobalOptions(program);
}

function withGlobalOptions(on: Command): Command {
  return on
    .addOption(
      new Option('--libvirt-uri <uri>', 'host for manifests that name none (qemu:///system)').env(
        'CAPLV_LIBVIRT_URI',
      ),
    )
    .addOption(
      new Option('--state-dir <dir>', `objects and Terraform states (${defaultStateDir()})`).env(
        'CAPLV_STATE_DIR',
      ),
    )
    .addOption(new Option('-n, --namespace <name>', 'namespace (default)').env('CAPLV_NAMESPACE'))
    .addOption(
      new Option('--provider-mode <mode>', 'warm: one provider process a host; fork: one a run (warm)')
        .choices(['warm', 'fork'])
        .env('CAPLV_PROVIDER_MODE'),
    )
    .addOption(
      new Option('--terraform <path>', 'terraform or tofu to use (from PATH)').env('CAPLV_TERRAFORM'),
    )
    .addOption(
      new Option('--state-history <n>', 'earlier serials of each Terraform state that are kept (5)').env(
        'CAPLV_STATE_HISTORY',
      ),
    )
    .addOption(
      new Option('--terraform-runs <n>', 'terraform processes at once (one more than there are cores)').env(
        'CAPLV_TERRAFORM_RUNS',
      ),
    )
    .addOption(
      new Option('--terraform-runs-per-host <n>', 'of them on one libvirt host (as many)').env(
        'CAPLV_TERRAFORM_RUNS_PER_HOST',
      ),
    )
    .addOption(
      new Option(
        '--allow <what>',
        'what manifests may name, see SECURITY.md (everything; a controller in a cluster: https://)',
      ).env('CAPLV_ALLOW'),
    )
    .addOption(
      new Option('--max-image-gb <n>', 'largest image (no limit; a controller in a cluster: 128)').env(
        'CAPLV_MAX_IMAGE_GB',
      ),
    )
    .addOption(new Option('-v, --verbose', 'say more').env('CAPLV_VERBOSE'))
    .addOption(new Option('--no-color', 'no colour').env('CAPLV_NO_COLOR'));
}
