/** What a command has done in a cluster: it waits for the controller there. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { SecretKind } from '../../api/kinds/secret.ts';
import { localFiles } from '../../api/manifest/local-files.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { isInfrastructure, objectName } from '../../intent/names.ts';
import type { ClusterContext } from './cluster-session.ts';
import type { Target } from './delete-targets.ts';
import { machineSubject } from './machine-name.ts';
import { kindOf } from './manifests.ts';
import { waitUntilReady } from './wait-until-ready.ts';
import { waitForObject } from './watch-until.ts';
import type { MachineAwait, SessionOptions, Work } from './work.ts';

/** What to do in place of a flag. */
const INSTEAD = {
  allowReplace: {
    path: '--allow-replace',
    fix: 'approve the plan in the status of the Machine: kubectl annotate machine NAME cluster-api.k8s.io/approve-plan=ID',
  },
  allowRestart: {
    path: '--allow-restart',
    fix: 'annotate the Machine: kubectl annotate machine NAME cluster-api.k8s.io/allow-restart=true',
  },
  allowReplaceDisks: {
    path: '--allow-replace-disk',
    fix:
      'approve the plan in the status of the Machine, and name the disks: kubectl annotate machine NAME ' +
      'cluster-api.k8s.io/approve-plan=ID cluster-api.k8s.io/approve-disks=DISK,…',
  },
  now: { path: '--now', fix: 'set shutdownTimeoutSeconds: 0 in the provider spec of the Machine' },
} as const;

export class ClusterWork implements Work {
  readonly atOnce = Number.POSITIVE_INFINITY;
  readonly #context: ClusterContext;

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  /** Throws TerminalError InvalidConfiguration. */
  static refuseFlags(options: SessionOptions): void {
    for (const flag of ['allowReplace', 'allowRestart', 'allowReplaceDisks', 'now'] as const) {
      if (!options[flag]) continue;
      const message = 'it is not supported with --kubeconfig';
      throw new TerminalError({ code: 'InvalidConfiguration', message, ...INSTEAD[flag] });
    }
  }

  notice(objects: readonly KubeObject[]): string | undefined {
    const warnings = objects.flatMap((object) =>
      localFiles(object).map(
        ({ path, value }) =>
          `warning: ${kindOf(object).singular}/${object.metadata.name}: ${path}: ${value} is read on the machine of the ` +
          'controller, not on this one; use https:// if it is not there (and see CAPLV_ALLOW)',
      ),
    );
    return warnings.length > 0 ? warnings.join('\n') : undefined;
  }

  next(): undefined {}

  async realize(object: KubeObject, waitMs: number | undefined): Promise<void> {
    if (waitMs === undefined || kindOf(object) === SecretKind) return;
    const { cluster, terminal, signal } = this.#context;
    await waitUntilReady(cluster.store, object, { terminal, signal, timeoutMs: waitMs });
  }

  deletionGroups(targets: readonly Target[]): readonly (readonly Target[])[] {
    return [targets];
  }

  async awaitDeletion({ kind, key }: Target, timeoutMs: number): Promise<void> {
    const { cluster, signal } = this.#context;
    const isDone = (object: unknown) => object === undefined;
    await waitForObject(cluster.store, kind, key, { isDone, timeoutMs, signal, what: 'was not deleted' });
  }

  async awaitMachine(key: ObjectKey, { isDone, timeoutMs, what }: MachineAwait): Promise<void> {
    const { cluster, terminal, signal } = this.#context;
    const kind = isInfrastructure(key) ? (await import('./infrastructure.ts')).machineKind() : MachineKind;
    const own = { ...key, name: objectName(key) };
    let said = '';
    await waitForObject<KubeObject>(cluster.store, kind as ApiKind, own, {
      isDone: (object) => {
        if (object === undefined) return false;
        const machine = object as Machine;
        const ready = findCondition(machine, 'Ready');
        const text = [ready?.reason, ready?.message].filter(Boolean).join(': ');
        if (isDone(machine)) return true;
        if (text !== said && ready?.status === 'False') terminal.say(`${machineSubject(key)}  ${text}`);
        said = text;
        return false;
      },
      timeoutMs,
      signal,
      what,
    });
  }

  async refresh(): Promise<void> {}
}
