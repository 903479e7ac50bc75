/** `caplv delete`: objects out of the store, and everything of theirs off the hosts. */

import { ClusterKind } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import { GIVE_UP_ANNOTATION } from '../../controllers/shared/give-up.ts';
import { Terminal } from '../../errors.ts';
import type { ObjectKey, Store } from '../../store/store.ts';
import { parseDuration } from '../../system/duration.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { type ClusterFlags, isForCluster } from '../session/cluster-session.ts';
import { type Context, withContext } from '../session/local-session.ts';
import { converge } from '../session/reconcile-until.ts';
import { inOrder, keyOf, kindOf } from './apply.ts';
import { kindNamed, notFound } from './get-objects.ts';

export interface DeleteFlags extends ClusterFlags {
  readonly filename?: readonly string[];
  readonly now?: boolean;
  readonly giveUp?: boolean;
  readonly timeout?: string;
  readonly ignoreNotFound?: boolean;
}

interface Target {
  readonly kind: ApiKind;
  readonly key: ObjectKey;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;

export async function remove(
  kindName: string | undefined,
  names: readonly string[],
  flags: DeleteFlags,
): Promise<number> {
  if (isForCluster(flags))
    return (await import('./delete-from-cluster.ts')).removeFromCluster(kindName, names, flags);
  const timeoutMs = timeoutOf(flags);
  return withContext(
    flags,
    async (context) => {
      const targets = await targetsOf(context.engine.store, context.config.namespace, kindName, names, flags);
      // Marked before anything is awaited: a Cluster waits for Machines that know that they go.
      if (flags.giveUp) await giveUp(context.engine.store, targets);
      for (const { kind, key } of targets) await context.engine.store.delete(kind, key);
      const machines = targets.filter(({ kind }) => kind === MachineKind);
      const others = targets.filter(({ kind }) => kind !== MachineKind);
      const codes = await Promise.all(machines.map((target) => removeOne(context, target, timeoutMs)));
      for (const target of others) codes.push(await removeOne(context, target, timeoutMs));
      return Math.max(EXIT.ok, ...codes);
    },
    { now: flags.now ?? false },
  );
}

/** Lets objects go even if their host is away; what is left there is told. */
export async function giveUp(store: Store, targets: readonly Target[]): Promise<void> {
  for (const { kind, key } of targets) {
    const object = await store.get(kind, key);
    if (!object?.metadata.uid) continue;
    const annotations = { ...object.metadata.annotations, [GIVE_UP_ANNOTATION]: object.metadata.uid };
    await store.update(
      kind,
      { ...object, metadata: { ...object.metadata, annotations } },
      { fieldManager: 'caplv-delete' },
    );
  }
}

export function timeoutOf({ timeout }: Pick<DeleteFlags, 'timeout'>): number {
  return timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout, '--timeout');
}

export async function targetsOf(
  store: Store,
  namespace: string,
  kindName: string | undefined,
  names: readonly string[],
  flags: DeleteFlags,
): Promise<Target[]> {
  if ((flags.filename === undefined) === (kindName === undefined || names.length === 0)) {
    throw new Terminal({
      code: 'InvalidConfiguration',
      message: 'delete takes either -f FILE or a kind and names',
      fix: 'for example: caplv delete machine kube-cp, or caplv delete -f deploy/examples/kube-cp.yaml',
    });
  }
  const wanted: Target[] = flags.filename
    ? inOrder(await loadManifests(flags.filename, { namespace }))
        .reverse()
        .map(({ object }) => ({ kind: kindOf(object), key: keyOf(object) }))
    : names.map((name) => ({ kind: kindNamed(kindName ?? ''), key: { namespace, name } }));
  const found: Target[] = [];
  for (const target of wanted) {
    if (await store.get(target.kind, target.key)) found.push(target);
    // A file is a wish that these be gone; a name that is not there is probably a slip.
    else if (!flags.filename && !flags.ignoreNotFound)
      throw notFound(target.kind, target.key.name, namespace);
  }
  return found;
}

async function removeOne(context: Context, { kind, key }: Target, timeoutMs: number): Promise<number> {
  const { engine, progress, signal, terminal } = context;
  const reconcilers = new Map([
    [MachineKind as ApiKind, () => engine.machines.reconcile(key)],
    [ClusterKind as ApiKind, () => engine.clusters.reconcile(key)],
  ]);
  try {
    await converge(key, {
      reconcile: reconcilers.get(kind) ?? (async () => ({})),
      isDone: async () => (await engine.store.get(kind, key)) === undefined,
      timeoutMs,
      signal,
      onRetry: (error) => progress.line(key.name, `trying again: ${error.message}`),
    });
    terminal.out(`${kind.singular}/${key.name} deleted`);
    return EXIT.ok;
  } catch (error) {
    reportError(terminal, error, `${kind.singular}/${key.name}`);
    return exitCodeOf(error);
  }
}
