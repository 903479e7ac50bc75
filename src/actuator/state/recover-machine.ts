/**
 * Brings a state back that no longer knows what is there: a state that somebody deleted, or took a resource out of. First
 * from the serials that were kept, then by import of what is on the host.
 */

import { type ImportedObject, objectsOf } from '../../../stacks/import-stack.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { domainName, isOwnedBy } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import { parseState, type State } from '../../terraform/format/state.ts';
import type { KeptState } from '../../terraform/state-history.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { notOwned } from '../machine/leftovers.ts';
import { poolsOf } from '../machine/location.ts';
import { importState } from './import.ts';
import { mayRemoveUntracked } from './machine-journal.ts';

/** A state as it is to be, and where that comes from. */
export interface Recovered {
  /** Numbered to follow what is there. */
  readonly text: string;
  /** For people: `serial 3`, `import`, with the objects that had to be imported. */
  readonly sources: readonly { readonly from: string; readonly objects: readonly string[] }[];
}

/** True if the state was not what it has to be, and now is. See `recoveredState`. */
export async function recoverState(
  options: ActuatorOptions,
  session: StateSession,
  intent: MachineIntent,
  facts: HostFacts,
  state: State | undefined,
): Promise<boolean> {
  const recovered = await recoveredState(options, session, intent, facts, state);
  if (!recovered) return false;
  await session.pushState(recovered.text);
  for (const source of recovered.sources) session.onEvent({ type: 'state_recovered', ...source });
  return true;
}

/**
 * What the state has to be, if it is not that; changes nothing. Costs nothing when `facts` show no object that `state` lacks.
 * What a broken run left is not brought back: that is removed. Throws Terminal NotOwned for somebody else's domain.
 */
export async function recoveredState(
  options: ActuatorOptions,
  session: StateSession,
  intent: MachineIntent,
  facts: HostFacts,
  state: State | undefined,
): Promise<Recovered | undefined> {
  const { home, terraform } = session;
  const libvirt = options.libvirt(intent.uri);
  if ((await missing(intent, facts, libvirt, state)).length === 0) return undefined;
  if (await mayRemoveUntracked(home, state)) return undefined;
  // Looked at again: the facts are from before the lock.
  const now = await libvirt.facts({ volumesOf: poolsOf(intent) });
  const there = await missing(intent, now, libvirt, undefined);
  let lacking = there.filter((one) => !knows(state, one));
  if (lacking.length === 0) return undefined;
  let text = await terraform.stateText();
  const sources: { from: string; objects: string[] }[] = [];
  const kept = await home.history.list();
  if (!state?.resources.length) {
    const fitting = await findFitting(home, kept, there);
    if (fitting) {
      text = new ImportedState(fitting.text).numbered(nextSerial(state, kept)).text;
      sources.push({ from: `serial ${fitting.kept.serial}`, objects: [] });
      const restored = parseState(text);
      lacking = there.filter((one) => !knows(restored, one));
    }
  }
  if (lacking.length === 0) return { text, sources };
  const imported = await importState(options, session, intent, there);
  const before = parseState(text);
  const whole = before ? imported.addedTo(text) : imported;
  const lineage = before?.lineage ?? kept[0]?.lineage;
  const serial = nextSerial(before, kept);
  sources.push({ from: 'import', objects: lacking.map(({ object }) => object) });
  return { text: whole.numbered(serial, lineage).text, sources };
}

/** True if an object that the stack declares is in no state; then the host has to be looked at. */
export function isIncomplete(intent: MachineIntent, state: State | undefined): boolean {
  return objectsOf(intent).some((declared) => !knows(state, declared));
}

/** Above all that were ever seen, so that nothing takes the new state for an older one. */
export function nextSerial(state: State | undefined, kept: readonly KeptState[]): number {
  return Math.max(state?.serial ?? 0, ...kept.map(({ serial }) => serial)) + 1;
}

/** Objects of the machine that are on the host, and that `state` does not know. */
async function missing(
  intent: MachineIntent,
  facts: HostFacts,
  libvirt: Libvirt,
  state: State | undefined,
): Promise<ImportedObject[]> {
  const found: ImportedObject[] = [];
  for (const declared of objectsOf(intent)) {
    if (knows(state, declared)) continue;
    if (declared.type === 'libvirt_domain') {
      if (!facts.domains.includes(declared.object)) continue;
      const observed = await libvirt.domain(domainName(intent));
      if (!observed) continue;
      if (!isOwnedBy(intent, observed.description)) throw notOwned(declared.object);
      found.push({ ...declared, id: observed.uuid });
    } else {
      const { pool, object } = declared;
      const volume = facts.volumes.find((one) => one.pool === pool && one.name === object);
      if (volume) found.push({ ...declared, id: volume.path });
    }
  }
  return found;
}

/** True if an object of that kind and name is in the state. */
export function knows(
  state: State | undefined,
  { type, object }: { readonly type: string; readonly object: string },
): boolean {
  return state?.resources.some((one) => one.type === type && one.attributes['name'] === object) ?? false;
}

/** The latest that knows the very domain which is there: one of an earlier life of the machine would replace it. */
async function findFitting(
  home: StateHandle,
  kept: readonly KeptState[],
  there: readonly ImportedObject[],
): Promise<{ readonly kept: KeptState; readonly text: string } | undefined> {
  const domain = there.find(({ type }) => type === 'libvirt_domain');
  for (const one of kept) {
    if (one.resources === 0) continue;
    const text = await home.history.read(one);
    const known = parseState(text)?.resources.find(({ type }) => type === 'libvirt_domain');
    if (!domain || known?.attributes['id'] === domain.id) return { kept: one, text };
  }
  return undefined;
}
