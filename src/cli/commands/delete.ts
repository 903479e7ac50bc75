/** `caplv delete`: objects out of the store, and everything of theirs off the hosts. */

import { ClusterKind } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { sayWaits, withMembers } from '../session/cluster-members.ts';
import { isForCluster } from '../session/cluster-session.ts';
import { type DeleteFlags, giveUp, type Target, targetsOf, timeoutOf } from '../session/delete-targets.ts';
import { type Context, withContext } from '../session/local-session.ts';
import { converge } from '../session/reconcile-until.ts';

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
      const { store } = context.engine;
      const named = await targetsOf(store, context.config.namespace, kindName, names, flags);
      const targets = await withMembers(store, named, flags);
      // Marked before anything is awaited: a Cluster waits for Machines that know that they go.
      if (flags.giveUp) await giveUp(store, targets);
      for (const { kind, key } of targets) await store.delete(kind, key);
      await sayWaits(store, targets, context.terminal);
      const machines = targets.filter(({ kind }) => kind === MachineKind);
      const others = targets.filter(({ kind }) => kind !== MachineKind);
      const codes = await Promise.all(machines.map((target) => removeOne(context, target, timeoutMs)));
      for (const target of others) codes.push(await removeOne(context, target, timeoutMs));
      return Math.max(EXIT.ok, ...codes);
    },
    { now: flags.now ?? false },
  );
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
      late: {
        what: `${kind.singular}/${key.name} was not deleted`,
        fix: `see why: caplv get ${kind.singular} ${key.name} -o yaml; wait for longer: --timeout=30m`,
      },
    });
    terminal.out(`${kind.singular}/${key.name} deleted`);
    return EXIT.ok;
  } catch (error) {
    reportError(terminal, error, `${kind.singular}/${key.name}`);
    return exitCodeOf(error);
  }
}
