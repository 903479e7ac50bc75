/**
 * Sweeps all hosts, soon after the start and every few minutes: looks twice, and puts right what both looks show. It removes
 * little without a word: should much look like nobody's at once, something else is wrong.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterKind, storedClusterSpec } from '../../api/kinds/cluster.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { CaplvError } from '../../errors.ts';
import { readMark } from '../../intent/names.ts';
import type { Policy } from '../../intent/policy.ts';
import { sitesOf } from '../../intent/site.ts';
import type { Store } from '../../store/store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Counter, Gauge, Metrics } from '../../telemetry/metrics.ts';
import { DEFAULT_REPAIR_LIMITS, mostRepairs } from '../shared/repair-budget.ts';
import type { Orphan } from './classify.ts';
import type { HostObservation, OrphanSweep } from './collector.ts';

export interface OrphanSweepsOptions {
  readonly sweep: OrphanSweep;
  readonly store: Store;
  readonly policy: Policy;
  /** Without passwords. */
  readonly nameOf: (uri: AllowedHost) => string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Time from one sweep to the next; the two looks of one are a tenth of it apart. */
  readonly intervalMs: number;
}

/** Hosts that are swept at the same time. */
const SWEEPS_AT_ONCE = 4;

export class OrphanSweeps {
  readonly name = 'orphans';
  readonly #options: OrphanSweepsOptions;
  readonly #gauge: Gauge;
  readonly #fixed: Counter;
  /** Hosts that were in use since the start: the last machine of a host may be the orphan. */
  readonly #hosts = new Set<AllowedHost>();
  /** Machines that were removed, by host, with the time (performance.now()). */
  readonly #removed = new Map<string, number[]>();
  /** What was to be adopted at the last sweep, and why it was not as far as that was told; by host. */
  readonly #adopting = new Map<string, Map<string, string | undefined>>();
  /** What was told already, by host. */
  readonly #told = new Map<string, ReadonlySet<string>>();

  constructor(options: OrphanSweepsOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#gauge = metrics.gauge('caplv_orphans', 'Objects on a host that are in no state.', [
      'host',
      'action',
    ]);
    this.#fixed = metrics.counter('caplv_orphans_fixed_total', 'Orphans adopted or removed.', [
      'host',
      'action',
    ]);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    // Not all at the same time after a restart of many, nor in step with anything else.
    await this.#pause((intervalMs / 10) * (0.9 + 0.2 * Math.random()), signal);
    while (!signal.aborted) {
      try {
        const uris = [...(await this.#uris())];
        // Side by side, since a host that does not answer takes its time.
        const sweepOn = async () => {
          for (let uri = uris.shift(); uri !== undefined && !signal.aborted; uri = uris.shift())
            await this.#sweep(uri, signal);
        };
        await Promise.all(Array.from({ length: SWEEPS_AT_ONCE }, sweepOn));
      } catch (error) {
        log.warn('Sweep for orphans failed', { error });
      }
      await this.#pause(intervalMs * (0.9 + 0.2 * Math.random()), signal);
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal }).catch(() => {});
  }

  async #uris(): Promise<ReadonlySet<AllowedHost>> {
    const uris = await hostsOf(this.#options.store, this.#options.policy);
    for (const uri of uris) this.#hosts.add(uri);
    return this.#hosts;
  }

  async #sweep(uri: AllowedHost, signal: AbortSignal): Promise<void> {
    const { sweep, intervalMs, log } = this.#options;
    const host = this.#options.nameOf(uri);
    try {
      const first = await sweep.look(uri);
      const isActionable = first.orphans.some(({ action }) => action !== 'keep');
      if (isActionable) await this.#pause(intervalMs / 10, signal);
      if (signal.aborted) return;
      const look = isActionable ? await sweep.look(uri) : first;
      const before = new Set(first.orphans.map(idOf));
      const confirmed = look.orphans.filter((orphan) => before.has(idOf(orphan)));
      this.#record(host, confirmed);
      await this.#fix(host, look, confirmed);
    } catch (error) {
      // A host that is out of reach is told of by those who need it.
      if (!(error instanceof CaplvError) || error.code !== 'LibvirtUnreachable') {
        log.warn('Sweep for orphans failed', { host, error });
      }
    }
  }

  async #fix(host: string, look: HostObservation, orphans: readonly Orphan[]): Promise<void> {
    const { log } = this.#options;
    const gone = new Set(orphans.filter(costsAMachine).map(machineOf));
    const recent = this.#recentlyRemoved(look.uri);
    const machines = look.inventory.domains.filter(({ description }) => readMark(description));
    const most = mostRepairs(machines.length, DEFAULT_REPAIR_LIMITS);
    const isHeld = recent.length + gone.size > most;
    if (isHeld) {
      const fix = 'see whether all Machines are there that should be; if they are: caplv orphans --fix';
      const values = { host, machines: [...gone], removedInTheLastHour: recent.length, most, fix };
      log.warn('Orphans kept: too many at once', values);
    }
    const done = new Set<string>();
    const adopting = new Map<string, string | undefined>();
    for (const orphan of orphans) {
      if (orphan.action === 'keep' || (isHeld && costsAMachine(orphan))) continue;
      // All of a machine goes, or comes back, at once.
      const whose = orphan.machine && !isSeedOfLiving(orphan) ? machineOf(orphan) : idOf(orphan);
      if (done.has(whose)) continue;
      done.add(whose);
      if (costsAMachine(orphan)) recent.push(performance.now());
      const before = this.#adopting.get(host);
      if (orphan.action === 'adopt') {
        const isTried = before?.has(whose) ?? false;
        adopting.set(
          whose,
          isTried ? await this.#tellUnadopted(host, orphan, before?.get(whose)) : undefined,
        );
        // Tried again, without a word: what stands in its way is told.
        await this.#fixOne(host, look, orphan, isTried);
      } else await this.#fixOne(host, look, orphan);
    }
    this.#removed.set(look.uri, recent);
    this.#adopting.set(host, adopting);
  }

  /** Says, once for each reason, why an orphan is still in no state although its Machine was to take it. Returns the reason. */
  async #tellUnadopted(host: string, { kind, name, machine }: Orphan, before?: string): Promise<string> {
    const blocked = machine && (await this.#options.sweep.notReady(machine));
    const why = blocked ?? 'its Machine does not name it';
    if (why !== before)
      this.#options.log.warn('Orphan is not adopted', { host, kind, name, machine: machine?.name, why });
    return why;
  }

  async #fixOne(host: string, look: HostObservation, orphan: Orphan, isRepeated = false): Promise<void> {
    const { sweep, log } = this.#options;
    const { kind, name, action, why } = orphan;
    try {
      await sweep.fix(look, orphan);
      if (isRepeated) return;
      this.#fixed.inc({ host, action });
      log.info(action === 'adopt' ? 'Adopting an orphan' : 'Removed an orphan', { host, kind, name, why });
    } catch (error) {
      log.warn('Orphan could not be fixed', { host, kind, name, action, error });
    }
  }

  #recentlyRemoved(uri: string): number[] {
    const since = performance.now() - DEFAULT_REPAIR_LIMITS.windowMs;
    return (this.#removed.get(uri) ?? []).filter((at) => at > since);
  }

  /** Each is told once, for as long as it is there. */
  #record(host: string, orphans: readonly Orphan[]): void {
    for (const action of ['adopt', 'remove', 'keep'] as const) {
      this.#gauge.set(orphans.filter((one) => one.action === action).length, { host, action });
    }
    const before = this.#told.get(host);
    this.#told.set(host, new Set(orphans.map(idOf)));
    for (const orphan of orphans) {
      if (orphan.action !== 'keep' || before?.has(idOf(orphan))) continue;
      const { kind, name, why } = orphan;
      this.#options.log.info('Kept an orphan', { host, kind, name, why });
    }
  }
}

/** Hosts on which machines are, or may be: those of them that the policy allows. */
export async function hostsOf(store: Store, policy: Policy): Promise<Set<AllowedHost>> {
  const others = { onUnreadable: () => {} };
  const [machines, clusters] = await Promise.all([
    store.list(MachineKind, others),
    store.list(ClusterKind, others),
  ]);
  const named = [
    policy.defaultHost,
    ...machines.flatMap(({ status }) => status?.providerStatus?.pinned?.uri ?? []),
    ...clusters
      .flatMap((cluster) => sitesOf(storedClusterSpec(cluster).spec, policy.defaultHost))
      .map(({ uri }) => uri),
  ];
  return new Set(named.flatMap((uri) => policy.host(uri) ?? []));
}

export function idOf({ kind, name, pool, network, action }: Orphan): string {
  return [kind, pool ?? network ?? '', name, action].join(' ');
}

function machineOf({ machine }: Orphan): string {
  return `${machine?.namespace}/${machine?.name}/${machine?.uid.slice(0, 8)}`;
}

/** Its removal ends a guest or takes its data: not images, which are imported again, nor seeds of Machines that live. */
function costsAMachine(orphan: Orphan): boolean {
  return orphan.action === 'remove' && orphan.machine !== undefined && !isSeedOfLiving(orphan);
}

function isSeedOfLiving({ action, machine, ownerExists }: Orphan): boolean {
  return action === 'remove' && machine !== undefined && ownerExists === true;
}
