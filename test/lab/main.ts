/** Runs the command `npm run lab`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { Lab } from './lab.ts';

const ROOT = join(import.meta.dirname, '../..');
const NAME = [
  '--name <name>',
  'which lab; labs of different names run side by side (default: demo)',
] as const;

const program = new Command('lab')
  .description(
    'A private libvirt with QEMU for demo and tests. It never touches the libvirt of this machine.',
  )
  .option(...NAME)
  .showHelpAfterError()
  .enablePositionalOptions()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .addHelpText(
    'after',
    '\nNeeds root, and once: test/lab/setup.sh --lab. Exit codes: 0 done, 1 failed or not running, 2 usage.',
  );

interface LabOptions {
  readonly name?: string;
}

interface UpOptions extends LabOptions {
  readonly hosts: number;
  readonly kube?: boolean;
  readonly capi?: boolean;
  readonly uplink?: boolean;
}

program
  .command('up')
  .description('start it, or what of it is missing')
  .option(...NAME)
  .option('--hosts <n>', 'number of libvirt hosts', parseCount, 1)
  .option('--kube', 'also a Kubernetes API server with etcd')
  .option('--capi', "also Cluster API's own managers on it (built once: 8 minutes), and clusterctl")
  .option(
    '--uplink',
    'link the hosts to this machine: qemu+tcp works, guests reach this machine; unauthenticated',
  )
  .action(async ({ name, hosts, kube, capi, uplink }: UpOptions) => {
    const lab = await Lab.up({ name: nameOf(name), hosts, uplink: uplink ?? false, progress });
    for (const host of lab.hosts) progress(`${host.name} is up: ${[host.uri, host.tcpUri].join(' ').trim()}`);
    progress(`guest image: ${lab.imagePath}`);
    if (!kube && !capi) return;
    const { KubeLab } = await import('./kube/kube-lab.ts');
    const dir = kubeDirectory(lab);
    const server = await KubeLab.up({ dir, detached: true, controllerManager: true, progress });
    progress(`Kubernetes API server is up: ${server.url}`);
    if (!capi) return;
    const { CapiLab } = await import('./capi/capi-lab.ts');
    if (!(await CapiLab.isRunning(capiDirectory(lab))))
      await CapiLab.up({ kube: server, dir: capiDirectory(lab), detached: true, ipam: true, progress });
    progress(`Cluster API is up; logs of its managers: ${capiDirectory(lab)}`);
  });

program
  .command('down')
  .description('end all its processes and guests, and remove all its files')
  .option(...NAME)
  .action(async ({ name }: LabOptions) => {
    const { takeDown } = await import('./capi/take-down.ts');
    await takeDown(nameOf(name));
    progress(`lab ${nameOf(name)} is down`);
  });

program
  .command('status')
  .description('say which hosts answer; exit code 1 if one does not, or there is no lab')
  .option(...NAME)
  .action(async ({ name }: LabOptions) => {
    const lab = await Lab.find({ name: nameOf(name) });
    if (!lab?.hosts.length) {
      console.log(`lab ${nameOf(name)} is down`);
      process.exitCode = 1;
    }
    for (const host of lab?.hosts ?? []) {
      const running = await host.isRunning();
      console.log(`${host.name}  ${running ? 'running' : 'not running'}  ${host.uri}`);
      if (!running) process.exitCode = 1;
    }
    const kube = await kubeLab(lab);
    if (kube) console.log(`kubernetes  running  ${kube.url}`);
    if (!lab || !existsSync(capiDirectory(lab))) return;
    const { CapiLab } = await import('./capi/capi-lab.ts');
    const running = await CapiLab.isRunning(capiDirectory(lab));
    console.log(`cluster-api  ${running ? 'running' : 'not running'}  ${capiDirectory(lab)}`);
    if (!running) process.exitCode = 1;
  });

program
  .command('env')
  .description('print what to export to use it by hand: eval "$(npm run -s lab -- env)"')
  .option(...NAME)
  .action(async ({ name }: LabOptions) => {
    const lab = await existing(nameOf(name));
    const kube = await kubeLab(lab);
    const { PATH, ...environment } = lab.env();
    if (kube) Object.assign(environment, { KUBECONFIG: kube.kubeconfig, CAPLV_ALLOW: 'everything' });
    for (const [key, value] of Object.entries(environment)) console.log(`export ${key}='${value}'`);
    // Caplv first, then what the user has. npm has put directories of its own into this process's PATH: only its last one is passed on.
    const directories = [
      join(ROOT, 'node_modules/.bin'),
      '$PATH',
      PATH?.split(':').at(-1),
      ...(kube ? [dirname(kube.kubectl)] : []),
      ...(existsSync(capiDirectory(lab)) ? [join(capiDirectory(lab), 'bin')] : []),
    ];
    console.log(`export PATH="${directories.join(':')}"`);
  });

program
  .command('node-image')
  .description('build the image of a Kubernetes node, once (10 minutes or more), and print its path')
  .action(async () => {
    const { nodeImage } = await import('./node-image/node-image.ts');
    console.log(await nodeImage(progress));
  });

program
  .command('exec')
  .description("run a command in a host's network, where the guests' addresses are reachable")
  .option('--host <n>', 'which host', parseCount, 1)
  .argument('<command...>')
  .option(...NAME)
  .passThroughOptions()
  .action(async (command: string[], options: LabOptions & { host: number }) => {
    const host = (await existing(nameOf(options.name))).hosts[options.host - 1];
    if (!host) throw new Error(`the lab has no host ${options.host}`);
    const { pid } = await host.sandbox();
    const child = spawn('nsenter', ['--target', String(pid), '--net', '--', ...command], {
      stdio: 'inherit',
    });
    const [code] = await once(child, 'exit');
    process.exitCode = code ?? 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

/** Returns which lab is meant: `--name` may stand before the command or after it. */
function nameOf(option: string | undefined): string {
  return option ?? program.opts<LabOptions>().name ?? 'demo';
}

async function existing(name: string): Promise<Lab> {
  const lab = await Lab.find({ name });
  if (!lab) throw new Error(`lab ${name} is not up: npm run lab -- up`);
  return lab;
}

function kubeDirectory(lab: Lab): string {
  return join(lab.directory, 'kube');
}

function capiDirectory(lab: Lab): string {
  return join(lab.directory, 'capi');
}

/** The lab's Kubernetes, if it runs. Imported when there is one: that takes longer than all the rest. */
async function kubeLab(lab: Lab | undefined) {
  if (!lab || !existsSync(kubeDirectory(lab))) return undefined;
  const { KubeLab } = await import('./kube/kube-lab.ts');
  return KubeLab.find(kubeDirectory(lab));
}

function progress(line: string): void {
  console.error(`lab: ${line}`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 9)
    throw new InvalidArgumentError('use a number from 1 to 9');
  return count;
}
