/**
 * A note beside the state from before a run changes anything until it has succeeded. It is the proof that objects which are
 * in no state come from a broken run of ours, and were never in use.
 */

import { shortHash } from '../../intent/names.ts';
import type { State } from '../../terraform/format/state.ts';
import type { StateHandle } from '../context/state-home.ts';

export type ChangingVerb = 'create' | 'update' | 'delete';

const NOTE = 'unfinished';
/** Says of which state it is known that no volume of the machine is outside of it. */
export const COMPLETE = 'complete';

/** Notes that a run begins; `clearPendingOperation` when it has succeeded. The note stays when the run fails, or the process dies. */
export async function beginOperation(home: StateHandle, verb: ChangingVerb): Promise<void> {
  // A create that broke stays a create until something succeeds: its half-made objects are still nobody's.
  if (verb === 'create' || (await pendingVerb(home)) !== 'create') await notePending(home, verb);
}

/**
 * Runs `work` under the note where the state is a file, of which a killed terraform may leave a part; the note then says that it is no
 * more than that. A Secret is replaced as a whole.
 */
export async function withStateAtRisk<T>(
  home: StateHandle,
  verb: ChangingVerb,
  work: () => Promise<T>,
): Promise<T> {
  if (home.backend.kind !== 'implicit') return work();
  await beginOperation(home, verb);
  const result = await work();
  await clearPendingOperation(home);
  return result;
}

/** What has begun, whatever was noted before. */
export async function notePending({ notes }: StateHandle, verb: ChangingVerb): Promise<void> {
  await notes.write(NOTE, verb);
}

/** What broke off, if anything did. */
export async function pendingVerb({ notes }: StateHandle): Promise<ChangingVerb | undefined> {
  const text = await notes.read(NOTE);
  return text === 'create' || text === 'update' || text === 'delete' ? text : undefined;
}

/**
 * What broke off, if anything did, of a machine with that state. A domain that is there and in the state is that of a create which
 * terraform brought to its end although its caplv died: the guest is in use, and the note that said otherwise goes.
 */
export async function interruptedOperation(
  home: StateHandle,
  state: State | undefined,
  hasDomain: boolean,
): Promise<ChangingVerb | undefined> {
  const verb = await pendingVerb(home);
  if (verb !== 'create' || !hasDomain || !hasWholeDomain(state)) return verb;
  await clearPendingOperation(home);
  return undefined;
}

/** True if the domain was made to its end: a guest may have written to its disks since, whatever has become of the domain. */
export function hasWholeDomain(state: State | undefined): boolean {
  return state?.resources.some(({ type, tainted }) => type === 'libvirt_domain' && !tainted) ?? false;
}

/**
 * Nothing is unfinished, whatever broke off before. `complete`: a state that knows all volumes of the machine, which is noted of that
 * very state; absent: of no state is that known.
 */
export async function clearPendingOperation({ notes }: StateHandle, complete?: State): Promise<void> {
  await notes.update({ [NOTE]: undefined, [COMPLETE]: complete && versionOf(complete) });
}

/**
 * True if no volume of the machine can be outside of this state: the run that saved it began with no other, and nothing has broken off
 * since. False for a state that somebody else has saved, one that was recovered or restored, and those of earlier versions of caplv.
 */
export async function hasAllVolumes({ notes }: StateHandle, state: State | undefined): Promise<boolean> {
  if (state === undefined || (await notes.read(COMPLETE)) !== versionOf(state)) return false;
  return (await notes.read(NOTE)) === undefined;
}

/** With what is in it: a person may edit a file and leave its serial. */
function versionOf({ lineage, serial, resources }: State): string {
  const names = resources.map(({ address, attributes: { id } }) => `${address} ${id}`).sort();
  return `${lineage} ${serial} ${shortHash(names.join('\n'))}`;
}

/** True if objects without a state may be removed: an update without any state would be a lost state, not a broken run. */
export async function mayRemoveUntracked(home: StateHandle, state: State | undefined): Promise<boolean> {
  const verb = await pendingVerb(home);
  return verb === 'create' || (verb === 'update' && state !== undefined);
}
