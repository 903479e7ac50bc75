/** `caplv apply`: manifests into the store, then every object made true. */

import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { Manifest } from '../../api/manifest/manifest.ts';
import { findCondition, isConditionTrue } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { isForCluster } from '../session/cluster-session.ts';
import { type Context, withContext } from '../session/local-session.ts';
import {
  type ApplyFlags,
  DEFAULT_WAIT_MS,
  inOrder,
  keyOf,
  kindOf,
  storeManifest,
  waitOf,
} from '../session/manifests.ts';
import { converge } from '../session/reconcile-until.ts';
import { waitUntilReady } from '../session/wait-until-ready.ts';

/** Two cores gain nothing from more at once, and libvirt serialises work in a pool anyway. */
const AT_ONCE = 4;

export async function apply(flags: ApplyFlags): Promise<number> {
  if (isForCluster(flags)) return (await import('./apply-to-cluster.ts')).applyToCluster(flags);
  const waitMs = waitOf(flags);
  return withContext(
    flags,
    async (context) => {
      const manifests = inOrder(await loadManifests(flags.filename, { namespace: context.config.namespace }));
      for (const manifest of manifests) await storeManifest(context.engine.store, context.terminal, manifest);
      if (manifests.some(needsController)) {
        context.terminal.say(
          'Machines of sets and deployments are made, and checked, by: caplv controller --local',
        );
      }
      const codes = await eachLimited(manifests, AT_ONCE, (manifest) => makeTrue(context, manifest, waitMs));
      const names = manifests
        .filter(({ object }) => object.kind === 'Machine')
        .map(({ object }) => object.metadata.name);
      if (names.length > 0 && codes.every((code) => code === EXIT.ok)) {
        context.terminal.say(
          `Next: caplv get machines -o wide, caplv console ${names[0]}, caplv describe machine ${names[0]}`,
        );
      }
      return Math.max(EXIT.ok, ...codes);
    },
    { allowReplace: flags.allowReplace ?? false },
  );
}

/** Sets, deployments and health checks are the work of a controller that stays. */
function needsController({ object }: Pick<Manifest, 'object'>): boolean {
  return ['MachineSet', 'MachineDeployment', 'MachineHealthCheck'].includes(object.kind);
}

async function makeTrue(context: Context, { object }: Manifest, waitMs: number | undefined): Promise<number> {
  const { engine, progress, signal, terminal } = context;
  const key = keyOf(object);
  const onRetry = (error: Error) => progress.line(key.name, `trying again: ${error.message}`);
  try {
    if (object.kind === 'Cluster') {
      const reconcile = () => engine.clusters.reconcile(key);
      await converge(key, {
        reconcile,
        isDone: async () => true,
        timeoutMs: DEFAULT_WAIT_MS,
        signal,
        onRetry,
      });
    }
    if (object.kind === 'Machine') await makeMachineTrue(context, key, waitMs, onRetry);
    if (waitMs !== undefined && needsController({ object })) {
      await waitUntilReady(engine.store, object, { terminal, signal, timeoutMs: waitMs });
    }
    return EXIT.ok;
  } catch (error) {
    reportError(terminal, error, `${kindOf(object).singular}/${key.name}`);
    return exitCodeOf(error);
  }
}

/** Without `waitMs` the machine only has to be made; with it, also to have an address. */
async function makeMachineTrue(
  { engine, progress, signal }: Context,
  key: ObjectKey,
  waitMs: number | undefined,
  onRetry: (error: Error) => void,
): Promise<void> {
  let announced = false;
  const isDone = async () => {
    const machine = await engine.store.get(MachineKind, key);
    const phase = machine?.status?.phase;
    if (phase === 'Running' || (phase === 'Provisioned' && (waitMs === undefined || isReady(machine)))) {
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
  await converge(key, { reconcile, isDone, missing, timeoutMs: waitMs ?? DEFAULT_WAIT_MS, signal, onRetry });
}

function isReady(machine: Machine | undefined): boolean {
  return isConditionTrue(machine, 'Ready');
}

function addressesOf(machine: Machine | undefined): string {
  const addresses = (machine?.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return addresses.length > 0 ? `, ${addresses.map(({ address }) => address).join(', ')}` : '';
}

/** Order of the results is that of the items. Clusters come before Machines, so they also start first. */
async function eachLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index] as T;
      results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
