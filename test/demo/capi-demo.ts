/**
 * `npm run demo -- --capi`: Cluster API's own managers, and our controller as a release installs it. `clusterctl generate cluster`, describe, a
 * scale and a deletion, by the commands that a user would type. All of it ends with the demo, also by Ctrl-C.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { execa, type Options } from 'execa';
import { release } from '../capi/release.ts';
import { CapiLab } from '../lab/capi/capi-lab.ts';
import { takeDown } from '../lab/capi/take-down.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { Lab } from '../lab/lab.ts';
import { GuestCluster } from './guest-cluster.ts';
import { interruption } from './interruption.ts';
import { BIN, say, show } from './words.ts';

/** Differs from the lab of the other demos, since this one is removed as a whole. */
export const CAPI_LAB = 'demo-capi';
const NAME = 'one';
const MACHINES = 'machines.cluster.x-k8s.io';
const WORKERS = `machinedeployment.cluster.x-k8s.io/${NAME}-worker`;
/** Guests as small as the lab's image allows. */
const SIZES = { VCPU: '1', MEMORY_MIB: '128', DISK_GB: '1' };

/** Resolves to the exit code. */
export async function capiDemo(): Promise<number> {
  const interrupted = interruption();
  const demo = new CapiDemo(interrupted);
  try {
    await demo.run();
    await demo.end();
    say(
      '\nAll of it is removed again. With your own hosts: docs/clusterctl.md. The same by hand: npm run lab -- up --capi',
    );
    return 0;
  } catch (error) {
    if (!interrupted.aborted) {
      await demo.stop();
      const logs = (await Lab.find({ name: CAPI_LAB }))?.directory;
      say(
        `\n${error instanceof Error ? error.message : error}\nlogs: ${logs}; npm run demo -- down removes them`,
      );
      return 1;
    }
    await demo.end();
    say('nothing is left but the cache');
    return 130;
  }
}

class CapiDemo {
  readonly #signal: AbortSignal;
  #guests: GuestCluster | undefined;
  #controller: ChildProcess | undefined;
  /** kubectl and clusterctl as a user has them, on the management cluster. */
  #user: Options = {};

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const lab = await this.#start();
    say(
      '\nA cluster: one machine of the control plane and two workers. They are virtual machines that boot; but a kernel and busybox is all that',
    );
    say(
      'they hold, so the demo plays kubeadm and kubelet for them on a second API server. (npm run test:nodes has real Nodes.)',
    );
    await this.#generate(lab);
    await this.#machinesRun(2);
    await this.#run('clusterctl', 'describe', 'cluster', NAME);
    await this.#run('kubectl', 'get', 'libvirtclusters,libvirtmachines');
    await this.#domains(lab);
    say('\nThree workers:');
    await this.#run('kubectl', 'scale', WORKERS, '--replicas=3');
    await this.#machinesRun(3);
    await this.#run('kubectl', 'get', MACHINES);
    say('\nAnd nothing of the cluster is left behind:');
    await this.#watching(MACHINES, () =>
      this.#run('kubectl', 'delete', `cluster.cluster.x-k8s.io/${NAME}`, '--timeout=10m'),
    );
    await this.#run('kubectl', 'get', 'libvirtclusters,libvirtmachines');
    await this.#domains(lab);
  }

  /** Ends what runs, and leaves files with logs. */
  async stop(): Promise<void> {
    await this.#guests?.stop();
    const controller = this.#controller;
    if (controller && controller.exitCode === null && controller.signalCode === null) {
      controller.kill('SIGTERM');
      await once(controller, 'exit');
    }
  }

  async end(): Promise<void> {
    await this.stop();
    await takeDown(CAPI_LAB);
  }

  async #start(): Promise<Lab> {
    await takeDown(CAPI_LAB);
    const lab = await Lab.up({ name: CAPI_LAB, progress: say });
    const at = (name: string) => join(lab.directory, name);
    this.#signal.throwIfAborted();
    const kube = await KubeLab.up({ dir: at('kube'), controllerManager: true, progress: say });
    const workload = await KubeLab.up({ dir: at('workload') });
    this.#signal.throwIfAborted();
    show('npm run release');
    const infrastructure = await release(at('repository'));
    this.#signal.throwIfAborted();
    show('clusterctl init --infrastructure libvirt    (and the managers, as processes)');
    const capi = await CapiLab.up({ kube, dir: at('capi'), infrastructure, progress: say });
    const PATH = [CapiLab.binDirectory(capi.dir), join(kube.kubectl, '..'), process.env['PATH']].join(':');
    this.#user = {
      env: { KUBECONFIG: kube.kubeconfig, PATH },
      stdio: ['ignore', 'inherit', 'inherit'],
      cancelSignal: this.#signal,
      forceKillAfterDelay: false,
    };
    this.#signal.throwIfAborted();
    this.#controller = await startController(lab, kube);
    const guests = { name: NAME, management: kube, workload, signal: this.#signal };
    this.#guests = await GuestCluster.start(guests);
    return lab;
  }

  async #generate(lab: Lab): Promise<void> {
    const { host, port } = this.#guests?.endpoint ?? { host: '', port: 0 };
    const sizes = ['CONTROL_PLANE', 'WORKER'].flatMap((role) =>
      Object.entries(SIZES).map(([name, value]) => [`${role}_${name}`, value]),
    );
    const variables: Readonly<Record<string, string>> = {
      LIBVIRT_URI: lab.hosts[0]?.uri ?? '',
      LIBVIRT_IMAGE_URI: lab.imagePath,
      CONTROL_PLANE_ENDPOINT_HOST: host,
      CONTROL_PLANE_ENDPOINT_PORT: String(port),
      ...Object.fromEntries(sizes),
    };
    const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${value}`);
    show(lines.join('\n$ '));
    const generate = ['generate', 'cluster', NAME, '--infrastructure', 'libvirt'];
    generate.push('--kubernetes-version', 'v1.36.3', '--worker-machine-count', '2');
    show(`clusterctl ${generate.join(' ')} | kubectl apply -f -`);
    const { stdout } = await execa('clusterctl', generate, {
      ...this.#user,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...this.#user.env, ...variables },
    });
    const apply = { ...this.#user, stdio: ['pipe', 'inherit', 'inherit'] as const, input: stdout as string };
    await execa('kubectl', ['apply', '--filename=-'], apply);
  }

  /** Shows each machine's way as `kubectl get -w` tells it, until that many workers run. */
  async #machinesRun(workers: number): Promise<void> {
    const wait = ['wait', WORKERS, `--for=jsonpath={.status.availableReplicas}=${workers}`, '--timeout=10m'];
    const quiet = { ...this.#user, stdio: ['ignore', 'ignore', 'inherit'] as const };
    await this.#watching(MACHINES, () => execa('kubectl', wait, quiet));
  }

  async #watching(what: string, work: () => Promise<unknown>): Promise<void> {
    show(`kubectl get ${what} -w`);
    const watch = execa('kubectl', ['get', what, '-w'], { ...this.#user, reject: false });
    try {
      await work();
    } finally {
      watch.kill();
      await watch;
    }
  }

  async #domains(lab: Lab): Promise<void> {
    show('virsh list --all');
    // Without what it says of polkit, which the lab does not have.
    const quiet = { ...this.#user, stdio: ['ignore', 'inherit', 'ignore'] as const };
    await execa('virsh', ['-c', lab.hosts[0]?.uri ?? '', 'list', '--all'], quiet);
  }

  async #run(program: string, ...args: readonly string[]): Promise<void> {
    show([program, ...args].join(' '));
    await execa(program, args, this.#user);
  }
}

/** With the rights that the release gives it. It ends with the demo, and not by the terminal's Ctrl-C, before that. */
async function startController(lab: Lab, kube: KubeLab): Promise<ChildProcess> {
  const log = join(lab.directory, 'controller.log');
  show(`caplv controller    (its log: ${log})`);
  const kubeconfig = await kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
  const args = ['controller', '--kubeconfig', kubeconfig, '--namespace', 'caplv-system'];
  return spawn('setpriv', ['--pdeathsig', 'TERM', process.execPath, BIN, ...args], {
    env: { ...process.env, ...lab.env(), CAPLV_ALLOW: 'everything' },
    stdio: ['ignore', 'ignore', openSync(log, 'a')],
    detached: true,
  });
}
