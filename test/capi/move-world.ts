/** Starts two management clusters beside one host, each with our controller, for `clusterctl move` from one to the other. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { Lab } from '../lab/lab.ts';
import { CapiWorld } from './capi-world.ts';
import { release } from './release.ts';

export class MoveWorld {
  readonly lab: Lab;
  /** For the files of a test. */
  readonly directory: string;
  readonly source: CapiWorld;
  readonly target: CapiWorld;
  sourceController!: ControllerProcess;
  targetController!: ControllerProcess;

  private constructor(lab: Lab, directory: string, source: CapiWorld, target: CapiWorld) {
    this.lab = lab;
    this.directory = directory;
    this.source = source;
    this.target = target;
  }

  static async up(name: string, options: { readonly ipam?: boolean } = {}): Promise<MoveWorld> {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-release-'));
    const lab = await Lab.up({ name, fresh: true });
    const infrastructure = await release(directory);
    const source = await CapiWorld.up('one', { infrastructure, ...options });
    const target = await source.another({ infrastructure, ...options });
    const world = new MoveWorld(lab, directory, source, target);
    world.sourceController = await world.startController(source);
    world.targetController = await world.startController(target);
    return world;
  }

  async down(): Promise<void> {
    await Promise.all([this.sourceController?.stop(), this.targetController?.stop()]);
    await this.source.down();
    await this.lab.down();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Of commands. */
  env(): Record<string, string> {
    return { ...this.lab.env(), CAPLV_ALLOW: 'everything' } as Record<string, string>;
  }

  /** With the rights that the release gives it. */
  async startController({ kube }: CapiWorld): Promise<ControllerProcess> {
    const kubeconfig = await kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
    const env = { ...this.env(), CAPLV_KUBECONFIG: kubeconfig };
    return ControllerProcess.start(env, ['--sweep-interval', '5s']);
  }

  async virsh(...args: string[]): Promise<string> {
    const { stdout } = await execa('virsh', ['-q', '-c', this.lab.hosts[0]?.uri ?? '', ...args]);
    return stdout.trim();
  }

  /** `clusterctl move`, which waits for what blocks it. */
  move() {
    const args = ['move', '--namespace=default', `--to-kubeconfig=${this.target.kube.kubeconfig}`];
    return execa(this.source.capi.clusterctlPath, args, {
      env: { KUBECONFIG: this.source.kube.kubeconfig },
      stdin: 'ignore',
      all: true,
      reject: false,
    });
  }
}
