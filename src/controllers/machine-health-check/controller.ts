/**
 * The MachineHealthCheck controller: deletes machines that have been unhealthy for too long, so that their MachineSets make
 * others. Four things must agree before one goes: its own limits; maxUnhealthy; its owner, who will make another; and the
 * repair budget, which knows of all that was repaired of late. And because what a watch shows may be old, the Nodes are
 * asked for once more.
 *
 * What was deleted is written down before it is deleted: a process that dies in between forgets nothing.
 */

import { isDeepStrictEqual } from 'node:util';
import { admit } from '../../api/kinds/admission.ts';
import { ClusterKind } from '../../api/kinds/cluster.ts';
import { clusterNameOf, type Machine, MachineKind, settledCluster } from '../../api/kinds/machine.ts';
import {
  type MachineHealthCheck,
  MachineHealthCheckKind,
  type MachineHealthCheckStatus,
} from '../../api/kinds/machine-health-check.ts';
import { selects } from '../../api/kinds/machine-template.ts';
import { SKIP_REMEDIATION_ANNOTATION } from '../../api/schema/group.ts';
import { isPaused } from '../../api/schema/paused.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { CaplvError } from '../../errors.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { WorkloadNodes } from '../node/workload-node.ts';
import type { Recorder } from '../shared/recorder.ts';
import { requeueSoonest } from '../shared/requeue.ts';
import { healthOf } from './health.ts';
import type { HealthCheckMetrics } from './metrics.ts';
import { decideRemediation, type RemediationDependencies } from './remediation.ts';
import { type Checked, healthStatus, withHealthCondition } from './status.ts';

export interface MachineHealthCheckReconcilerOptions extends RemediationDependencies {
  readonly recorder: Recorder;
  readonly metrics: Pick<HealthCheckMetrics, 'remediations'>;
  /** Absent: nobody knows of any Nodes, and only the Machines themselves are judged. */
  readonly nodes: Pick<WorkloadNodes, 'of' | 'read'> | undefined;
}

/** A word that lets repairs go on, a MachineSet that is no longer paused: nobody tells of them. */
const HELD_MS = 60_000;

export class MachineHealthCheckReconciler {
  readonly #options: MachineHealthCheckReconcilerOptions;

  constructor(options: MachineHealthCheckReconcilerOptions) {
    this.#options = options;
  }

  /** Throws TransientError or Terminal; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const stored = await this.#options.store.get(MachineHealthCheckKind, key);
    if (!stored || stored.metadata.deletionTimestamp) return {};
    if (isPaused(stored)) {
      await this.#save(
        stored,
        withHealthCondition(stored, stored.status ?? {}, 'Ready', 'Paused', '', Date.now()),
      );
      return {};
    }
    try {
      return await this.#check(stored, admit(stored));
    } catch (error) {
      if (error instanceof CaplvError && error.code !== 'Conflict') await this.#reportFailure(stored, error);
      throw error;
    }
  }

  async #check(stored: MachineHealthCheck, check: MachineHealthCheck): Promise<Result> {
    const targets = await this.#targets(check);
    const checked = await this.#judge(check, targets, (machine) => this.#options.nodes?.of(machine));
    // What a watch shows may be old, when its connection hangs.
    const lookAgain = (machines: readonly Machine[]) =>
      this.#judge(check, machines, (machine) => this.#options.nodes?.read(machine));
    const { machinesToDelete, findings } = await decideRemediation(this.#options, check, checked, lookAgain);
    await this.#save(stored, healthStatus(check, findings, Date.now()));
    for (const { machine, why } of machinesToDelete) await this.#replace(check, machine, why);
    const waits = checked.flatMap(({ health }) =>
      health.state === 'waiting' ? (health.lookInMs ?? []) : health.state === 'unhealthy' ? HELD_MS : [],
    );
    return requeueSoonest(...waits);
  }

  async #targets({ metadata, spec }: MachineHealthCheck): Promise<Machine[]> {
    const { store } = this.#options;
    const { namespace = 'default' } = metadata;
    const [clusters, machines] = await Promise.all([
      store.list(ClusterKind, { namespace, onUnreadable: () => {} }),
      store.list(MachineKind, { namespace, onUnreadable: () => {} }),
    ]);
    return machines.filter((machine) => {
      const settled = settledCluster(machine);
      const named = settled?.name;
      const cluster =
        !settled && clusters.length === 1 ? clusters[0] : clusters.find((one) => one.metadata.name === named);
      const isMeant =
        spec.clusterName === undefined || spec.clusterName === (named ?? cluster?.metadata.name);
      if (!isMeant || !selects(spec.selector, machine.metadata.labels)) return false;
      const isLeftAlone = machine.metadata.annotations?.[SKIP_REMEDIATION_ANNOTATION] !== undefined;
      return !isLeftAlone && !isPaused(machine) && !(cluster && isPaused(cluster));
    });
  }

  /** Nodes are asked for once a cluster. */
  async #judge(
    { spec }: MachineHealthCheck,
    machines: readonly Machine[],
    nodesOf: (machine: Machine) => ReturnType<WorkloadNodes['of']> | undefined,
  ): Promise<Checked[]> {
    const asked = new Map<string | undefined, ReturnType<typeof nodesOf>>();
    const checked: Checked[] = [];
    for (const machine of machines) {
      const cluster = clusterNameOf(machine);
      if (!asked.has(cluster)) asked.set(cluster, nodesOf(machine));
      const nodes = await asked.get(cluster);
      checked.push({ machine, health: healthOf(machine, nodes, spec, Date.now()) });
    }
    return checked;
  }

  /** Exactly the version that was judged. */
  async #replace(check: MachineHealthCheck, machine: Machine, why: string): Promise<void> {
    const { store, recorder } = this.#options;
    const { name, namespace = 'default', uid, resourceVersion } = machine.metadata;
    await store.delete(
      MachineKind,
      { namespace, name },
      {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    );
    const of = { namespace: check.metadata.namespace ?? 'default', name: check.metadata.name };
    this.#options.metrics.remediations.inc(of);
    const message = `Machine ${name} is deleted to be replaced: ${why}`;
    recorder.event(check, { type: 'Warning', reason: 'Remediated', message });
    recorder.event(machine, { type: 'Warning', reason: 'Remediated', message });
  }

  async #reportFailure(stored: MachineHealthCheck, { code, message, fix }: CaplvError): Promise<void> {
    const text = fix === undefined ? message : `${message}; ${fix}`;
    const { status = {} } = stored;
    await this.#save(stored, withHealthCondition(stored, status, 'Ready', code, text, Date.now()));
  }

  /** Tells what has changed in it, too. */
  async #save(stored: MachineHealthCheck, status: MachineHealthCheckStatus): Promise<void> {
    if (isDeepStrictEqual(stored.status, status)) return;
    const { namespace = 'default', name } = stored.metadata;
    const { store, recorder } = this.#options;
    await store.applyStatus(MachineHealthCheckKind, { namespace, name }, status, {
      fieldManager: 'caplv-machine-health-check',
      before: stored.status,
    });
    for (const { type, status: is, reason, message } of status.conditions ?? []) {
      const before = findCondition(stored, type);
      const isTrouble = is === 'False' && reason !== 'MachinesNotHealthy' && reason !== 'Paused';
      if (!isTrouble || (before?.reason === reason && before.message === message)) continue;
      recorder.event(stored, { type: 'Warning', reason, message });
    }
  }
}
