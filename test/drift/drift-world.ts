/** Creates machines on a host of their own, and checks them for drift by the periodic check and by a plan. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { missingVolume } from '../../src/actuator/plan/missing-volume.ts';
import type { PlanPreview } from '../../src/actuator/plan/preview.ts';
import type { PlanReason } from '../../src/actuator/plan/unchanged-machines.ts';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { configOf } from '../../src/app/config.ts';
import { type LocalEngine, openEngine } from '../../src/app/engine.ts';
import { messageOf } from '../../src/errors.ts';
import type { MachineIntent } from '../../src/intent/hosted-intent.ts';
import type { AllowedHost } from '../../src/system/allowed-host.ts';
import { hostAt } from '../lab/host-uri.ts';
import { Lab } from '../lab/lab.ts';

export interface Check {
  /** Why Terraform was run; undefined: it was not. */
  readonly reason: PlanReason | undefined;
  /** What Terraform would do, or why it cannot; undefined: nothing, or it was not asked. */
  readonly finding: string | undefined;
}

export class DriftWorld {
  readonly engine: LocalEngine;
  readonly #lab: Lab;
  readonly #directory: string;
  readonly #intents = new Map<string, MachineIntent>();
  readonly #runs: { count: number };
  readonly #uri: AllowedHost;

  private constructor(engine: LocalEngine, lab: Lab, directory: string, runs: { count: number }) {
    this.#uri = hostAt(lab.hosts[0]?.uri ?? '');
    this.engine = engine;
    this.#lab = lab;
    this.#directory = directory;
    this.#runs = runs;
  }

  static async up(): Promise<DriftWorld> {
    const lab = await Lab.up({ name: 'drift-checks', fresh: true });
    Object.assign(process.env, lab.env());
    const directory = await mkdtemp(join(tmpdir(), 'caplv-drift-'));
    const config = configOf({ libvirtUri: lab.hosts[0]?.uri ?? '', stateDir: join(directory, 'state') });
    const runs = { count: 0 };
    const onRun = () => {
      runs.count += 1;
    };
    const engine = await openEngine(config, { recorder: { event: () => {} }, now: true, onRun });
    const world = new DriftWorld(engine, lab, directory, runs);
    await world.#define('net-define', '<network><name>second</name></network>');
    return world;
  }

  async down(): Promise<void> {
    await this.engine.close();
    await this.#lab.down();
    await rm(this.#directory, { recursive: true });
  }

  /** terraform processes until now. */
  get runs(): number {
    return this.#runs.count;
  }

  async make(name: string, spec: object): Promise<void> {
    const { store, machines, resolver } = this.engine;
    const key = { namespace: 'default', name };
    const manifest = {
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'Machine',
      metadata: key,
      spec: {
        providerSpec: {
          vcpu: 1,
          memoryMiB: 128,
          imageURI: this.#lab.imagePath,
          userData: '#cloud-config\n',
          running: false,
          shutdownTimeoutSeconds: 0,
          ...spec,
        },
      },
    };
    await store.apply(MachineKind, manifest as never, { fieldManager: 'test' });
    await machines.reconcile(key);
    const machine = await store.get(MachineKind, key);
    if (!machine) throw new Error(`${name} was not made`);
    const placed = await resolver.place(machine);
    this.#intents.set(name, (await resolver.resolve(placed, await resolver.seed(placed))).intent);
  }

  /** Checks a machine as the periodic check of a controller does. */
  async check(name: string): Promise<Check> {
    let reason: PlanReason | undefined;
    const plan = this.engine.actuator.planIfChanged(this.#intent(name), (why) => {
      reason = why;
    });
    const finding = await findingOf(plan);
    return { reason, finding };
  }

  /** Returns what a plan finds, without the results of earlier checks. */
  plan(name: string): Promise<string | undefined> {
    return findingOf(this.engine.actuator.plan(this.#intent(name)));
  }

  #intent(name: string): MachineIntent {
    const intent = this.#intents.get(name);
    if (!intent) throw new Error(`${name} was not made`);
    return intent;
  }

  async virsh(...args: readonly string[]): Promise<string> {
    return (await execa('virsh', ['-q', '-c', this.#lab.hosts[0]?.uri ?? '', ...args])).stdout;
  }

  /** The definition that counts at the next start. */
  xml(machine: string): Promise<string> {
    return this.virsh('dumpxml', '--inactive', `default.${machine}`);
  }

  define(xml: string): Promise<void> {
    return this.#define('define', xml);
  }

  /** Guests stay. Returns what there is to take back: nothing. */
  async restartLibvirtd(): Promise<() => Promise<void>> {
    const [host] = this.#lab.hosts;
    await host?.stopLibvirtd();
    await host?.startLibvirtd();
    return async () => {};
  }

  async signalProvider(signal: NodeJS.Signals): Promise<() => Promise<void>> {
    const provider = await this.engine.providers.get(this.#uri);
    process.kill(provider.pid, signal);
    if (signal === 'SIGKILL') await provider.ended;
    return async () => {};
  }

  /** Name of the volume of a machine, of which `what` is a part. */
  async volume(machine: string, what: string): Promise<string> {
    const names = (await this.virsh('vol-list', 'default'))
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[0] ?? '');
    const found = names.find((name) => name.startsWith(`default.${machine}.`) && name.includes(what));
    if (found === undefined) throw new Error(`${machine} has no volume ${what}`);
    return found;
  }

  async #define(command: string, xml: string): Promise<void> {
    const file = join(this.#directory, 'defined.xml');
    await writeFile(file, xml);
    await this.virsh(command, file);
  }
}

async function findingOf(planning: Promise<PlanPreview | undefined>): Promise<string | undefined> {
  try {
    const preview = await planning;
    if (!preview || preview.plan.action === 'none') return undefined;
    return (
      preview.plan.changes.map(({ action, address }) => `${action} ${address}`).join(', ') ||
      preview.plan.action
    );
  } catch (error) {
    const volume = missingVolume(error);
    return volume === undefined ? `fails: ${messageOf(error).slice(0, 80)}` : 'fails: a volume is gone';
  }
}
