/**
 * The breaker between an accident and a fleet: how many machines of one host, and of one MachineSet, repair may replace,
 * delete or make anew within a while. A wrong URI, an empty libvirtd in the place of a full one, or an emptied pool makes
 * every machine look lost at once; then nothing is done to any of them until a person says so.
 *
 * It remembers nothing that is not in the objects: `lastRecreated` in the status of Machines, what other repairers kept of
 * theirs (`elsewhere`), and who is held already. So a restart forgets nothing.
 */

import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { MachineSetKind } from '../../api/kinds/machine-set.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import { controllerOf } from '../../apimachinery/owner-reference.ts';
import { CaplvError } from '../../errors.ts';
import { hostIdentity } from '../../libvirt/host-uri.ts';
import type { Store } from '../../store/store.ts';
import { clusterOf } from './cluster-of.ts';
import { mayProceed, overrideHint } from './proceed-until.ts';

export interface RepairLimits {
  /** Part of the machines of a host or set, from 0 to 1; always at least one machine. 1: no limit. */
  readonly share: number;
  readonly windowMs: number;
}

export const DEFAULT_REPAIR_LIMITS: RepairLimits = { share: 0.2, windowMs: 3_600_000 };

/** A repair of which the Machine is gone, or that its status does not tell of. */
export interface PastRepair {
  /** uid of the Machine. */
  readonly machine: string;
  readonly atMs: number;
  /** Identity of its host, see `hostIdentity`. */
  readonly host: string | undefined;
  /** uid of the MachineSet that it was of. */
  readonly set: string | undefined;
}

export interface RepairBudgetOptions {
  readonly store: Store;
  readonly limits?: RepairLimits;
  /** True for a machine that is to be replaced or made anew and was not asked for yet: a fleet is seen before its first machine. */
  readonly isLost?: (machine: Machine) => boolean;
  /** Repairs that the store's Machines do not tell of, as MachineHealthChecks keep them. */
  readonly elsewhere?: () => Promise<readonly PastRepair[]>;
  readonly now?: () => number;
}

/** One repair that may go ahead, or why it may not: cause and way out, for people. */
export type RepairVerdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly message: string };

/** Condition of a Machine, and its reason, that mark it as held by the budget. */
export const HELD = { type: 'Drifted', reason: 'RepairsHeld' } as const;

/** Machines that share a fate: of one host, or of one set. */
interface Group {
  readonly name: string;
  readonly members: readonly Machine[];
  readonly past: readonly PastRepair[];
}

export class RepairBudget {
  readonly limits: RepairLimits;
  readonly #options: RepairBudgetOptions;
  /** Granted by us, and perhaps not yet to be read in the store. */
  #granted: PastRepair[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RepairBudgetOptions) {
    this.#options = options;
    this.limits = options.limits ?? DEFAULT_REPAIR_LIMITS;
  }

  /**
   * Asks for one repair of `machine` that replaces, deletes or recreates. Allowed: it counts from now on, whatever becomes of
   * it. `alsoLost`: machines that wait for the same from the same caller. One call at a time, so that two never share the last.
   */
  take(machine: Machine, alsoLost: (machine: Machine) => boolean = () => false): Promise<RepairVerdict> {
    const turn = this.#turn.then(() => this.#decide(machine, alsoLost));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #decide(machine: Machine, alsoLost: (machine: Machine) => boolean): Promise<RepairVerdict> {
    const now = this.#options.now?.() ?? Date.now();
    this.#granted = this.#granted.filter(({ atMs }) => now - atMs < this.limits.windowMs);
    if (!(await this.#hasWord(machine, now))) {
      const isLost = (one: Machine) => alsoLost(one) || (this.#options.isLost?.(one) ?? false);
      for (const group of await this.#groups(machine)) {
        const message = refusal(group, machine, isLost, this.limits, now);
        if (message !== undefined) return { allowed: false, message };
      }
    }
    this.#granted.push({ ...placeOf(machine), atMs: now });
    return { allowed: true };
  }

  async #groups(machine: Machine): Promise<Group[]> {
    const { store, elsewhere } = this.#options;
    const { host, set } = placeOf(machine);
    const [all, others = []] = await Promise.all([
      store.list(MachineKind, { onUnreadable: () => {} }),
      elsewhere?.(),
    ]);
    const past = [...others, ...this.#granted, ...all.flatMap((one) => pastRepair(one) ?? [])];
    const group = (name: string, isIn: (place: Omit<PastRepair, 'atMs'>) => boolean): Group => ({
      name,
      members: all.filter((one) => isIn(placeOf(one))),
      past: past.filter(isIn),
    });
    return [
      ...(host === undefined ? [] : [group(`host ${host}`, (place) => place.host === host)]),
      ...(set === undefined
        ? []
        : [group(`MachineSet ${controllerOf(machine)?.name}`, (place) => place.set === set)]),
    ];
  }

  /** On the Machine, its set, or its Cluster. */
  async #hasWord(machine: Machine, now: number): Promise<boolean> {
    if (mayProceed(machine, now)) return true;
    const { store } = this.#options;
    const { namespace = 'default' } = machine.metadata;
    const owner = controllerOf(machine);
    const [set, cluster] = await Promise.all([
      owner?.kind === MachineSetKind.kind && owner.apiVersion.startsWith(`${MachineSetKind.group}/`)
        ? store.get(MachineSetKind, { namespace, name: owner.name })
        : undefined,
      clusterOf(store, machine).catch(withoutCluster),
    ]);
    return [set, cluster].some((object) => object !== undefined && mayProceed(object, now));
  }
}

/** Machines of a group that may be repaired within the window. */
export function mostRepairs(machines: number, { share }: Pick<RepairLimits, 'share'>): number {
  return Math.max(1, Math.floor(machines * share));
}

/** True while the budget holds the machine: it stays held until its drift is gone or a person says so. */
export function isHeldByBudget(machine: Pick<Machine, 'metadata' | 'status'>): boolean {
  if (machine.metadata.deletionTimestamp) return false;
  return findCondition(machine, HELD.type)?.reason === HELD.reason;
}

/** A missing Cluster, or one too many, has said no word. */
function withoutCluster(error: unknown): undefined {
  if (!(error instanceof CaplvError)) throw error;
}

function refusal(
  { name, members, past }: Group,
  machine: Machine,
  isLost: (machine: Machine) => boolean,
  { share, windowMs }: RepairLimits,
  now: number,
): string | undefined {
  if (share >= 1) return undefined;
  const uid = machine.metadata.uid ?? '';
  const repaired = new Set(past.filter(({ atMs }) => now - atMs < windowMs).map((repair) => repair.machine));
  // A machine that was repaired in this window and is lost again is one machine, not two.
  const lost = members.filter(
    (one) => !one.metadata.deletionTimestamp && (isHeldByBudget(one) || isLost(one)),
  );
  const concerned = new Set([uid, ...repaired, ...lost.map(({ metadata }) => metadata.uid)]);
  const most = mostRepairs(members.length, { share });
  if (concerned.size <= most && !members.some(isHeldByBudget)) return undefined;
  const minutes = Math.round(windowMs / 60_000);
  const count = `${concerned.size} of ${members.length} machines of ${name} were recreated within ${minutes} min or are to be`;
  const { name: machineName, namespace = 'default' } = machine.metadata;
  const word = overrideHint(`machine -n ${namespace} ${machineName}`);
  return `${count}, and ${most} may be: nothing more is repaired there; ${word} (or its MachineSet, or its Cluster, for all their machines)`;
}

export function placeOf(machine: Machine): Omit<PastRepair, 'atMs'> {
  const pinned = machine.status?.providerStatus?.pinned;
  const owner = controllerOf(machine);
  return {
    machine: machine.metadata.uid ?? '',
    host: pinned && hostIdentity(pinned.uri),
    set: owner?.kind === MachineSetKind.kind ? owner.uid : undefined,
  };
}

function pastRepair(machine: Machine): PastRepair | undefined {
  const at = machine.status?.providerStatus?.lastRecreated;
  return at === undefined ? undefined : { ...placeOf(machine), atMs: Date.parse(at) };
}
