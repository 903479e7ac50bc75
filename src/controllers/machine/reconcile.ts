/** One reconcile of a Machine: what its phases are given, and what each leaves to those after it. */

import type { EarlyStack } from '../../actuator/context/options.ts';
import type { Pinned } from '../../api/kinds/machine.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Phase, Stop } from '../shared/phases.ts';
import type { MachineDependencies } from './dependencies.ts';
import type { PrefetchedObservation } from './observe-domain.ts';
import type { Drift } from './repair/policy.ts';
import type { RepairAttempt } from './repair/repair.ts';
import type { PreparedSeed } from './resolver.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

export type MachinePhase = Phase<MachineReconcile>;

/** To be reconciled at once, by what the object is now. */
export const STALE: Stop = { requeueAfterMs: 50, isStale: true };

export class MachineReconcile {
  readonly parts: MachineDependencies;
  readonly scope: MachineScope;
  /** Set by `placeMachine`. */
  placed!: PlacedMachine;
  /** Set by `buildSeed`. */
  seed!: PreparedSeed;
  /** Set by `resolveIntent`. */
  resolved!: ResolvedMachine;
  /** Set by `observeHost`, and again after a change; undefined: there is no domain. */
  observed: DomainObservation | undefined;
  /** Set by `chooseChange`, which ends the reconcile if there is none. */
  change!: MachineChange;

  constructor(parts: MachineDependencies, scope: MachineScope) {
    this.parts = parts;
    this.scope = scope;
  }

  /** True until the machine was made for the first time. */
  get isNew(): boolean {
    return this.scope.providerStatus.appliedHash === undefined;
  }
}

/** What is to be changed on the host. */
export class MachineChange {
  /** In a few words, for an event. */
  readonly reason: string;
  /** What somebody else has changed there; undefined: the change was asked for. */
  readonly drift: Drift | undefined;
  /** Set by `beginChange`: there is a state of the machine. */
  exists = false;
  /** Set by `beginChange`: as it was made, if it exists. */
  made: Pinned | undefined;
  /** Set by `beginChange`; undefined: drift is repaired for a person, or there is none. */
  repair: RepairAttempt | undefined;
  /** Set by `prepareChange`. */
  facts!: HostFacts;
  stack: EarlyStack | undefined;
  leasesBefore: string[] = [];
  /** Set by `applyChange`. */
  after!: PrefetchedObservation;

  constructor(reason: string, drift?: Drift) {
    this.reason = reason;
    this.drift = drift;
  }
}
