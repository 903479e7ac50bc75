/** What a command does itself over the local store, with the controllers of machines and Clusters in its own process. */

import { ClusterKind } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { findCondition, isConditionTrue } from '../../apimachinery/conditions.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import type { Target } from './delete-targets.ts';
import type { Context } from './local-session.ts';
import { DEFAULT_WAIT_MS, keyOf } from './manifests.ts';
import { reconcileUntil } from './reconcile-until.ts';
import { refreshStatus } from './refresh-status.ts';
import { isStoppedOnPurpose, waitUntilReady } from './wait-until-ready.ts';
import type { MachineAwait, Work } from './work.ts';

export class LocalWork implements Work {
  /** Two cores gain nothing from more at once, and libvirt serialises work in a pool anyway. */
  readonly atOnce = 4;
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  notice(objects: readonly KubeObject[]): string | undefined {
    return objects.some(needsController)
      ? 'Run caplv controller --local to create and check the machines of sets and deployments'
      : undefined;
  }

  next([first]: readonly string[]): string | undefined {
    return `Next: caplv get machines -o wide, caplv console ${first}, caplv describe machine ${first}`;
  }

  async realize(object: KubeObject, waitMs: number | undefined): Promise<void> {
    const { engine, signal, terminal } = this.#context;
    const key = keyOf(object);
    if (object.kind === ClusterKind.kind) {
      const reconcile = () => engine.clusters.reconcile(key);
      await this.#converge(key, { reconcile, isDone: async () => true, timeoutMs: DEFAULT_WAIT_MS });
    }
    if (object.kind === MachineKind.kind) await this.#makeMachine(key, waitMs);
    if (waitMs !== undefined && needsController(object)) {
      await waitUntilReady(engine.store, object, { terminal, signal, timeoutMs: waitMs });
    }
  }

  /** Without `waitMs` the machine only has to be made; with it, also to have an address. */
  async #makeMachine(key: ObjectKey, waitMs: number | undefined): Promise<void> {
    const { engine, progress } = this.#context;
    let announced = false;
    const isDone = async () => {
      const machine = await engine.store.get(MachineKind, key);
      const phase = machine?.status?.phase;
      const isReady = waitMs === undefined || isConditionTrue(machine, 'Ready');
      if (phase === 'Provisioned' && isStoppedOnPurpose(machine)) {
        progress.line(key.name, `stopped on purpose; caplv start ${key.name} starts it`);
        return true;
      }
      if (phase === 'Running' || (phase === 'Provisioned' && isReady)) {
        progress.line(key.name, `${phase}${addressesOf(machine)}`);
        return true;
      }
      if (phase === 'Provisioned' && !announced) {
        announced = true;
        progress.line(key.name, 'started; waiting for its address');
      }
      return false;
    };
    const missing = async () => findCondition(await engine.store.get(MachineKind, key), 'Ready')?.message;
    const reconcile = () => engine.machines.reconcile(key);
    await this.#converge(key, { reconcile, isDone, missing, timeoutMs: waitMs ?? DEFAULT_WAIT_MS });
  }

  /** Machines first, and Clusters, which wait for them, one after the other. */
  deletionGroups(targets: readonly Target[]): readonly (readonly Target[])[] {
    const others = targets.filter(({ kind }) => kind !== MachineKind);
    return [targets.filter(({ kind }) => kind === MachineKind), ...others.map((one) => [one])];
  }

  async awaitDeletion({ kind, key }: Target, timeoutMs: number): Promise<void> {
    const { engine } = this.#context;
    const reconcilers = new Map([
      [MachineKind as ApiKind, () => engine.machines.reconcile(key)],
      [ClusterKind as ApiKind, () => engine.clusters.reconcile(key)],
    ]);
    await this.#converge(key, {
      reconcile: reconcilers.get(kind) ?? (async () => ({})),
      isDone: async () => (await engine.store.get(kind, key)) === undefined,
      timeoutMs,
      late: {
        what: `${kind.singular}/${key.name} was not deleted`,
        fix: `see why: caplv get ${kind.singular} ${key.name} -o yaml; wait for longer: --timeout=30m`,
      },
    });
  }

  async awaitMachine(key: ObjectKey, { isDone, timeoutMs, what }: MachineAwait): Promise<void> {
    const { engine } = this.#context;
    const read = () => engine.store.get(MachineKind, key);
    await this.#converge(key, {
      reconcile: () => engine.machines.reconcile(key),
      isDone: async () => {
        const machine = await read();
        return machine !== undefined && isDone(machine);
      },
      missing: async () => findCondition(await read(), 'Ready')?.message,
      // Another minute of waiting is for the person to decide.
      isFinal: ({ code }) => code === 'ShutdownTimeout',
      timeoutMs,
      late: {
        what: `machine/${key.name} ${what}`,
        fix: `see why: caplv describe machine ${key.name}; wait for longer: --timeout=30m`,
      },
    });
  }

  async refresh(machines: readonly Machine[]): Promise<void> {
    await refreshStatus(this.#context, machines);
  }

  async #converge(
    key: ObjectKey,
    options: Omit<Parameters<typeof reconcileUntil>[1], 'signal' | 'onRetry'>,
  ): Promise<void> {
    const { progress, signal } = this.#context;
    const onRetry = (error: Error) => progress.line(key.name, `trying again: ${error.message}`);
    await reconcileUntil(key, { ...options, signal, onRetry });
  }
}

/** Sets, deployments and health checks are the work of a controller that stays. */
function needsController({ kind }: KubeObject): boolean {
  return ['MachineSet', 'MachineDeployment', 'MachineHealthCheck'].includes(kind);
}

function addressesOf(machine: Machine | undefined): string {
  const addresses = (machine?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return addresses.length > 0 ? `, ${addresses.map(({ address }) => address).join(', ')}` : '';
}
