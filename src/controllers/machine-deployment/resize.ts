/** Gives the sets of a MachineDeployment their sizes, by its strategy. */

import { isDeepStrictEqual } from 'node:util';
import type { MachineDeployment } from '../../api/kinds/machine-deployment.ts';
import type { MachineSet } from '../../api/kinds/machine-set.ts';
import { areNodes, isAvailable } from '../shared/availability.ts';
import type { Ownership } from '../shared/cascading-deletion.ts';
import { rolloutLimits } from './limits.ts';
import { isScaled, scale } from './proportional-scaling.ts';
import { currentRevision } from './revision.ts';
import { onDelete, rollingUpdate, type SetSizes } from './rolling-update.ts';
import { countOf, type DeploymentSets, hasObserved, intendedSet, type SetWithMachines } from './sets.ts';

/** `deployment`: with its defaults. Returns the sets as they are then; their machines follow. */
export async function resizeSets(
  { store, recorder, fieldManager, memberKind }: Ownership<MachineDeployment, MachineSet>,
  deployment: MachineDeployment,
  { current, old }: DeploymentSets,
): Promise<DeploymentSets> {
  const sizes = sizesOf(deployment, { current, old });
  const { maxSurge } = rolloutLimits(deployment.spec);
  const expectsNode = areAllNodes({ current, old });
  const resize = async (one: SetWithMachines, revision?: number): Promise<SetWithMachines> => {
    const { metadata, spec } = one.set;
    if (metadata.deletionTimestamp) return one;
    const size = sizes.get(metadata.name) ?? spec.replicas;
    const replicas = hasObserved(one.set) ? size : Math.max(size, spec.replicas);
    // Of OnDelete an old set must not make anew what someone deleted, even if it is quicker than we are.
    const mayCreate = one === current || deployment.spec.strategy?.type !== 'OnDelete';
    const { minReadySeconds } = deployment.spec;
    const runs = one.machines.some((machine) =>
      isAvailable(machine, minReadySeconds, Date.now(), expectsNode),
    );
    const intent = { replicas, mayCreate, maxSurge, runs, ...(revision === undefined ? {} : { revision }) };
    const wanted = intendedSet(one.set, deployment, intent);
    if (isDeepStrictEqual(wanted, one.set)) return one;
    const set = await store.update(memberKind, wanted, { fieldManager });
    if (replicas !== spec.replicas) {
      const reason = replicas > spec.replicas ? 'ScaledUp' : 'ScaledDown';
      const message = `MachineSet ${metadata.name} from ${spec.replicas} to ${replicas}`;
      recorder.event(deployment, { type: 'Normal', reason, message });
    }
    return { ...one, set };
  };
  const sets = old.map(({ set }) => set);
  const resized = current && (await resize(current, currentRevision(current.set, sets)));
  const others: SetWithMachines[] = [];
  for (const one of old) others.push(await resize(one));
  return { current: resized, old: others };
}

/** While `replicas` changes, or nothing may be replaced, sets only grow and shrink by their shares. */
function sizesOf({ spec }: MachineDeployment, { current, old }: DeploymentSets): SetSizes {
  const nowMs = Date.now();
  const expectsNode = areAllNodes({ current, old });
  const count = (one: SetWithMachines) => countOf(one, spec.minReadySeconds, nowMs, expectsNode);
  const counts = { current: current && count(current), old: old.map(count) };
  const limits = rolloutLimits(spec);
  if (spec.paused) return scale(counts, spec.replicas, limits.maxSurge);
  if (spec.strategy?.type === 'OnDelete') return onDelete(counts, spec.replicas);
  if (isScaled(counts, spec.replicas)) return scale(counts, spec.replicas, limits.maxSurge);
  return rollingUpdate(counts, spec.replicas, limits);
}

/** A machine of the new template becomes what those of the old ones are. */
function areAllNodes({ current, old }: DeploymentSets): boolean {
  return areNodes([current, ...old].flatMap((one) => one?.machines ?? []));
}
