/**
 * The four verbs of the domain: create, exists, update, delete. Each takes a resolved intent, or the identity of a
 * machine, and makes it true through Terraform; libvirt is only read, asked to shut a guest down, and rid of leftovers.
 */

import type { ObjectKey } from '../apimachinery/object.ts';
import { CaplvError } from '../errors.ts';
import type { MachineIntent } from '../intent/hosted-intent.ts';
import type { MachineIdentity } from '../intent/names.ts';
import type { ReservationProblem } from '../intent/reservations.ts';
import type { AddressSource } from '../libvirt/addresses.ts';
import type { DomainInterface, DomainObservation } from '../libvirt/domain.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import { type Lease, leasesOf } from '../libvirt/leases.ts';
import { withReservations } from '../libvirt/reservations.ts';
import { classified } from './context/classify-error.ts';
import type { ActuatorOptions, EarlyStack, UpdateOptions, VerbOptions } from './context/options.ts';
import { type SessionRequest, type StateSession, withState } from './context/state-session.ts';
import { createMachine } from './create-machine.ts';
import { deleteMachine } from './delete-machine.ts';
import { findReservationProblems } from './host/reservations.ts';
import { atActualSize, diskGrowth } from './machine/disk-sizes.ts';
import { type HostedMachine, ownDomain, shutDown } from './machine/guest.ts';
import type { MachineLocation } from './machine/location.ts';
import { beginStack, isTransferred, withSeededStack } from './machine/seeded-stack.ts';
import type { PlanPreview } from './plan/preview.ts';
import { type PlanReason, UnchangedMachines } from './plan/unchanged-machines.ts';
import { planMachine } from './plan-machine.ts';
import { pendingVerb } from './state/machine-journal.ts';
import { type Restored, restoreState } from './state/restore.ts';
import { knownState, restoreLast, setTornAside } from './state/torn-state.ts';
import { type Change, changeMachine } from './update-machine.ts';

/** Operations that go on where a run broke off. */
const RECOVERING: readonly string[] = ['plan', 'create', 'update', 'delete'];

/** Time enough for a look of somebody else. */
const FORGET_LOCK_MS = 5_000;

export class Actuator {
  readonly #options: ActuatorOptions;
  readonly #unchanged: UnchangedMachines;

  constructor(options: ActuatorOptions) {
    this.#options = options;
    this.#unchanged = new UnchangedMachines(options);
  }

  /**
   * What is on the host: undefined when there is no domain of this machine. `sources` are asked for addresses when a running
   * guest has no lease. Throws TransientError LibvirtUnreachable.
   */
  async exists(
    machine: MachineLocation,
    sources: readonly AddressSource[] = [],
  ): Promise<DomainObservation | undefined> {
    return classified(async () => {
      const libvirt = this.#options.libvirt(machine.uri);
      const networks = [...new Set(machine.reservations.map(({ network }) => network))];
      const found = await ownDomain(this.#options, machine);
      const observed =
        found && networks.length > 0
          ? {
              ...found,
              interfaces: withReservations(found.interfaces, await libvirt.networkAddresses(networks)),
            }
          : found;
      if (observed?.state !== 'running' || observed.addresses.length > 0 || sources.length === 0)
        return observed;
      return { ...observed, addresses: await libvirt.addresses(observed.name, sources) };
    });
  }

  /** The leases that the DHCP servers of its networks have for these interfaces. Throws TransientError LibvirtUnreachable. */
  async leases({ uri }: HostedMachine, interfaces: readonly DomainInterface[]): Promise<Lease[]> {
    const networks = [...new Set(interfaces.flatMap(({ network }) => network ?? []))];
    if (networks.length === 0) return [];
    return classified(async () => leasesOf(interfaces, await this.#options.libvirt(uri).leases(networks)));
  }

  /** What stands in the way of the fixed addresses of a machine. Throws TransientError LibvirtUnreachable. */
  async reservationProblems(intent: MachineIntent): Promise<readonly ReservationProblem[]> {
    return classified(() => findReservationProblems(this.#options, intent));
  }

  /** For a caller who will create or update soon: loads what that needs while he is busy otherwise. */
  warm(): void {
    this.#options.synthesizer.warm();
  }

  /** Synthesises for a caller who is about to create or update, while the host is made ready: give what it returns to those. */
  presynthesize(intent: MachineIntent): EarlyStack | undefined {
    return beginStack(this.#options, this.#options.workspaces.machine(intent), intent);
  }

  /** True if Terraform has, or had at its last run, anything of this machine. */
  async hasState(machine: ObjectKey): Promise<boolean> {
    const state = await knownState(this.#options, this.#options.workspaces.machine(machine));
    return (state?.resources.length ?? 0) > 0;
  }

  /** Puts a serial of the history in place of the machine's state, even of one that cannot be read. See state/restore.ts. */
  async restoreState(machine: HostedMachine, serial: number, options: VerbOptions = {}): Promise<Restored> {
    return this.#inSession(machine, { operation: 'state restore', ...options }, (session) =>
      restoreState(session, serial),
    );
  }

  /** True if anything of this machine may be on its host. */
  async wasBegun(machine: ObjectKey): Promise<boolean> {
    const home = this.#options.workspaces.machine(machine);
    return (await this.hasState(machine)) || (await pendingVerb(home)) !== undefined;
  }

  /** The changes that `create` or `update` would make, attribute by attribute. Changes nothing. */
  async plan(
    intent: MachineIntent,
    options: VerbOptions & Pick<UpdateOptions, 'replaceDomain'> = {},
  ): Promise<PlanPreview> {
    const request = { operation: 'plan', onEvent: options.onEvent };
    return this.#inSession(intent, request, (session) =>
      planMachine(this.#options, session, intent, options),
    );
  }

  /**
   * Plans the machine as `plan` does. Returns undefined, and starts no terraform, where the last plan said "no changes" and everything that it was
   * made from is the same. Calls `onPlan` with the reason before it plans.
   */
  async planIfChanged(
    intent: MachineIntent,
    onPlan: (reason: PlanReason) => void = () => {},
  ): Promise<PlanPreview | undefined> {
    const home = this.#options.workspaces.machine(intent);
    const reason = await this.#unchanged.reasonToPlan(home, intent);
    if (reason === undefined) return undefined;
    onPlan(reason);
    return this.#inSession(intent, { operation: 'plan' }, (session) =>
      this.#unchanged.observed(session, intent, () => planMachine(this.#options, session, intent, {})),
    );
  }

  /**
   * Makes the machine in one run: with an empty state nothing can be destroyed. Removes first what a broken run of the
   * same machine left. `facts` are asked for `volumesOf` the intent. Throws Terminal NotOwned, StateCorruptError,
   * PoolNotFound, NetworkNotFound …, TransientError for what may pass.
   */
  async create(intent: MachineIntent, facts: HostFacts, options: UpdateOptions = {}): Promise<void> {
    await this.#change('create', intent, facts, options, (session, change) =>
      createMachine(this.#options, session, change, facts, options),
    );
  }

  /**
   * Brings an existing machine to its intent: plan, guard, apply of that very plan. `facts` as for create. Throws Terminal
   * ReplaceRefused when the plan replaces or deletes its domain or a disk and that is not allowed.
   */
  async update(intent: MachineIntent, facts: HostFacts, options: UpdateOptions = {}): Promise<void> {
    await this.#change('update', intent, facts, options, (session, change) =>
      changeMachine(this.#options, session, change, facts, options),
    );
  }

  /**
   * Asks the guest to shut down, for at most `shutdownTimeoutMs`, then destroys all that is the machine's: what Terraform
   * knows, and proven leftovers. Deleting what is not there is no error. Returns how the host looked before leftovers were removed.
   * Throws TransientError PoolNotFound while a pool in which it may have volumes is not active.
   */
  async delete(
    machine: MachineLocation,
    options: VerbOptions & { readonly shutdownTimeoutMs: number },
  ): Promise<HostFacts> {
    const request = { operation: 'delete', onEvent: options.onEvent };
    return this.#inSession(machine, request, (session) =>
      deleteMachine(this.#options, session, machine, options.shutdownTimeoutMs),
    );
  }

  /**
   * Shuts down and removes the domain of a machine on a host other than its own, for its deletion: somebody has moved it there. What
   * Terraform knows, its disks too, is of its own host. Nothing there is no error.
   */
  async removeMovedDomain(
    machine: HostedMachine,
    options: VerbOptions & { readonly shutdownTimeoutMs: number },
  ): Promise<void> {
    await classified(async () => {
      const observed = await ownDomain(this.#options, machine);
      if (!observed) return;
      await shutDown(this.#options, machine, options.shutdownTimeoutMs, options, async () => observed);
      await this.#options.libvirt(machine.uri).removeDomain(observed.name);
      options.onEvent?.({ type: 'leftovers_removed', names: [observed.name] });
    });
  }

  /**
   * Forgets the state of a machine whose host is given up, and leaves what it stands for. Whoever has the lock of that state for
   * longer than a moment is at work on it, and keeps it.
   */
  async forget(machine: MachineIdentity): Promise<void> {
    const home = this.#options.workspaces.machine(machine);
    this.#unchanged.forget(home);
    const options = { operation: 'give up', lockTimeoutMs: FORGET_LOCK_MS };
    const lock = await this.#options.terraform.lock(home.workspace, options).catch((error: unknown) => {
      if (!(error instanceof CaplvError)) throw error;
    });
    if (!lock) return;
    try {
      await home.discard();
    } finally {
      await lock.release();
    }
  }

  /** Waits until no other run works on the state of a machine, then saves what a run that broke off could not save of it. */
  async settle(machine: HostedMachine): Promise<void> {
    await this.#inSession(machine, { operation: 'settle' }, async () => {});
  }

  /** Removes one volume of a machine, unless its state knows it by now. The caller has proven that it is ours and in nobody's use. */
  async removeVolume(
    machine: HostedMachine,
    { pool, volume }: { readonly pool: string; readonly volume: string },
  ): Promise<void> {
    await this.#inSession(machine, { operation: 'remove a volume' }, async ({ terraform }) => {
      const state = await terraform.state();
      if (state?.resources.some(({ attributes }) => attributes['name'] === volume)) return;
      await this.#options.libvirt(machine.uri).removeVolume(pool, volume);
    });
  }

  /** Runs what makes or changes a machine, with the stack of it. */
  #change(
    operation: 'create' | 'update',
    intent: MachineIntent,
    facts: HostFacts,
    options: UpdateOptions,
    work: (session: StateSession, change: Change) => Promise<void>,
  ): Promise<void> {
    const ownProvider = isTransferred(intent);
    const { onEvent, isFirst } = options;
    const request = { operation, onEvent, ownProvider, isNew: operation === 'create', isFirst };
    return this.#inSession(intent, request, async (session) => {
      const growth = await diskGrowth(intent, facts.volumeDetails, () => session.terraform.state());
      const sized = atActualSize(intent, facts.volumeDetails, growth);
      return withSeededStack(this.#options, session, sized, options, (config) =>
        work(session, { intent, config, growth }),
      );
    });
  }

  /** One verb at a time a machine, also between processes, over a state that is whole. */
  #inSession<T>(
    machine: HostedMachine,
    request: SessionRequest,
    work: (session: StateSession) => Promise<T>,
  ): Promise<T> {
    const home = this.#options.workspaces.machine(machine);
    if (request.operation !== 'plan') this.#unchanged.forget(home);
    const { whileRunning } = this.#options;
    const around =
      whileRunning && (<R>(run: () => Promise<R>) => whileRunning(machine, request.operation, run));
    return withState(this.#options, machine.uri, home, { ...request, around }, async (session) => {
      // A person who restores a state, and who removes a volume because the state does not know it, need the one that is there.
      const wasTorn = RECOVERING.includes(request.operation) && (await setTornAside(session));
      if (wasTorn && request.operation === 'delete') await restoreLast(session);
      await session.saveErroredState();
      return work(session);
    });
  }
}
