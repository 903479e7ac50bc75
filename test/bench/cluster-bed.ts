/** Starts a libvirt host, an API server and a controller for benchmarks of many machines. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import { Informer } from '../../src/kube/runtime/informer.ts';
import { KubernetesStore } from '../../src/kube/runtime/kubernetes-store.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { Lab } from '../lab/lab.ts';
import type { Bench } from './benchmark.ts';
import { bedOf } from './standalone-bed.ts';
import { PROGRAM } from './subjects.ts';
import { type Bed, type MachineOptions, manifest, providerSpec } from './ways.ts';

const CLUSTER = 'bench';
/** Differs from the name in `importImage`, which another store may keep on the same host. */
const KEEPER = 'first';
const LOOK_MS = 20;
/** Something is broken, or hangs. */
const PATIENCE_MS = 10 * 60_000;
/** Time for running terraform runs to end. */
const DRAIN_MS = 60_000;

export interface UntilOptions {
  readonly patienceMs?: number;
  /** Time between two checks. A check beyond the watch of this process takes CPU from the measured processes. */
  readonly everyMs?: number;
}

export class ClusterBed {
  readonly bed: Bed;
  readonly lab: ClusterLab;
  readonly store: KubernetesStore;
  readonly #machines: Informer<Machine>;
  #starting: Promise<ControllerProcess> | undefined;
  #controller: ControllerProcess | undefined;

  private constructor(bed: Bed, lab: ClusterLab, store: KubernetesStore, machines: Informer<Machine>) {
    this.bed = bed;
    this.lab = lab;
    this.store = store;
    this.#machines = machines;
  }

  /** With the base image on the host, and a controller that has made its first machine. Gone when the benchmark ends. */
  static async up(bench: Bench, name: string): Promise<ClusterBed> {
    bench.progress('starting libvirt and an API server');
    const rising = ClusterLab.up(name);
    bench.defer(() =>
      rising.then(
        (lab) => lab.down(),
        // The API server did not start, and libvirt perhaps did.
        async () => (await Lab.find({ name }))?.down(),
      ),
    );
    const lab = await rising;
    const stop = new AbortController();
    const log = createLogger({ level: 'error', format: 'pretty' });
    const store = new KubernetesStore(lab.client, { log, metrics: new Metrics() });
    const machines = new Informer(store, MachineKind, log);
    const watching = machines.run(stop.signal);
    bench.defer(() => {
      stop.abort();
      return watching;
    });
    bench.progress('the controller makes its first machine');
    const made = new ClusterBed(bedOf(lab.lab, bench.directory), lab, store, machines);
    const { uri } = made.bed;
    await lab.apply({
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'Cluster',
      metadata: { name: CLUSTER, namespace: 'default' },
      spec: { providerSpec: { hosts: [{ name: 'host', uri }], allowOvercommit: true } },
    });
    bench.defer(() => made.#end());
    await made.start();
    await lab.apply(manifest(made.bed, KEEPER, { running: false }));
    await made.until('the first machine', () => made.made(KEEPER) === 1);
    return made;
  }

  get controller(): ControllerProcess {
    if (!this.#controller) throw new Error('no controller runs');
    return this.#controller;
  }

  get pid(): number {
    return this.controller.child.pid ?? 0;
  }

  /** The bundled program, as users have it, and started as in the image. `program`: of another build. */
  async start(env: NodeJS.ProcessEnv = {}, program: string = PROGRAM): Promise<void> {
    const NODE_OPTIONS = '--max-semi-space-size=8';
    const all = { ...this.lab.env(), CAPLV_VERBOSE: undefined, NODE_OPTIONS, ...env };
    this.#starting = ControllerProcess.start(all, [], 'Starting', program);
    this.#controller = await this.#starting;
  }

  async stop(): Promise<void> {
    await this.controller.stop();
  }

  /** A MachineSet of the machines `name-…`; again: scales it. */
  async set(name: string, replicas: number, options: MachineOptions): Promise<void> {
    const labels = { set: name };
    await this.lab.apply({
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'MachineSet',
      metadata: { name, namespace: 'default' },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { clusterName: CLUSTER, providerSpec: providerSpec(this.bed, options) },
        },
      },
    });
  }

  async removeSet(name: string): Promise<void> {
    await this.lab.kubectl('delete', 'machineset', name, '--wait=false');
    await this.until(`${name} to be gone`, () => this.all(name).length === 0);
  }

  /** Returns the machines of a set, or the machine of that name. */
  all(name: string): Machine[] {
    return this.#machines
      .list()
      .filter(({ metadata }) => metadata.labels?.['set'] === name || metadata.name === name);
  }

  /** Number of all machines that there are. */
  get machines(): number {
    return this.#machines.list().length;
  }

  /** Returns how many machines have the domain that their spec asks for. */
  made(name: string): number {
    return this.all(name).filter(
      ({ status }) => status?.phase === 'Provisioned' || status?.phase === 'Running',
    ).length;
  }

  running(name: string): number {
    return this.all(name).filter(({ status }) => status?.phase === 'Running').length;
  }

  /** Resolves when `done`, which is asked again and again. Rejects when that does not come about. */
  async until(
    what: string,
    done: () => boolean | Promise<boolean>,
    { patienceMs = PATIENCE_MS, everyMs = LOOK_MS }: UntilOptions = {},
  ): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await done())) {
      if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
      await sleep(everyMs);
    }
  }

  /** Killed, it would leave its provider. */
  async #end(): Promise<void> {
    const controller = await this.#starting?.catch(() => undefined);
    const late = setTimeout(() => controller?.kill(), DRAIN_MS);
    await controller?.stop();
    clearTimeout(late);
  }

  metrics(): Promise<string> {
    return this.controller.fetch('/metrics');
  }
}
