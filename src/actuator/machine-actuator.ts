/**
 * The four verbs of the domain: create, exists, update, delete. Each takes a resolved intent, or the identity of a
 * machine, and makes it true through Terraform; libvirt is only read, asked to shut a guest down, and rid of leftovers.
 */

import { rm } from 'node:fs/promises';
import { emptyStack } from '../../stacks/empty-stack.ts';
import type * as stacks from '../../stacks/intent.ts';
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
import type { Lock } from '../system/file-lock.ts';
import { traced } from '../telemetry/spans.ts';
import { classified } from './context/classify-error.ts';
import type { ActuatorOptions, EarlyStack, UpdateOptions, VerbOptions } from './context/options.ts';
import { type StateHandle, seedDirectory } from './context/state-home.ts';
import { clearLeftovers, factsOf } from './host/cleanup.ts';
import { claimAddresses, findReservationProblems, releaseAddresses } from './host/reservations.ts';
import { refuseDisguisedVolumes } from './host/volume-guard.ts';
import { requireVisiblePools } from './host/volume-pools.ts';
import { askActualSize, atActualSize } from './machine/disk-sizes.ts';
import { type HostedMachine, ownDomain, shutDown } from './machine/guest.ts';
import { findLeftovers, removeLeftovers } from './machine/leftovers.ts';
import { type MachineLocation, poolsIn } from './machine/location.ts';
import { withSeedFile, writeSeed } from './machine/seed-file.ts';
import { type PlanPreview, previewPlan, previewRecovered } from './plan/preview.ts';
import { pendingVerb, withPendingOperation, withStateAtRisk } from './state/machine-journal.ts';
import { refuseForeignState } from './state/ownership.ts';
import { isIncomplete, recoveredState, recoverState } from './state/recover-machine.ts';
import { type Restored, restoreState } from './state/restore.ts';
import { knownState, restoreLast, setTornAside } from './state/torn-state.ts';
import { changeMachine, replaced } from './update-machine.ts';

/** Operations that go on where a run broke off. */
const RECOVERING: readonly string[] = ['plan', 'create', 'update', 'delete'];

/** Time enough for a look of somebody else. */
const FORGET_LOCK_MS = 5_000;

export class Actuator {
  readonly #options: ActuatorOptions;

  constructor(options: ActuatorOptions) {
    this.#options = options;
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
    // Its configuration names an offer of the relay, which does not stand yet.
    if (intent.seed?.kind === 'iso') return undefined;
    const home = this.#options.workspaces.machine(intent);
    const config = this.#synth(withSeedFile(intent, seedDirectory(home)), home);
    // Create or update throws it.
    config.catch(() => {});
    return { intent, config };
  }

  /** True if Terraform has, or had at its last run, anything of this machine. */
  async hasState(machine: ObjectKey): Promise<boolean> {
    const state = await knownState(this.#options, this.#options.workspaces.machine(machine));
    return (state?.resources.length ?? 0) > 0;
  }

  /** Puts a serial of the history in place of the machine's state, even of one that cannot be read. See state-restore.ts. */
  async restoreState(machine: HostedMachine, serial: number, options: VerbOptions = {}): Promise<Restored> {
    return this.#locked(machine, 'state restore', options, (home, lock) =>
      restoreState(this.#options, home, machine.uri, serial, lock),
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
    return this.#locked(intent, 'plan', options, async (home, lock) => {
      const state = await this.#options.terraform.state(home.workspace);
      await refuseForeignState(this.#options, intent, state);
      const run = { providerKey: intent.uri, lock, ...options, replace: replaced(options) };
      const sized = await askActualSize(intent, this.#options.libvirt(intent.uri));
      return this.#withConfig(sized, home, { isPreview: true }, async (config, machine) => {
        const recovered = isIncomplete(sized, state)
          ? await recoveredState(
              this.#options,
              { intent, home, run },
              await factsOf(this.#options, intent),
              state,
            )
          : undefined;
        if (!recovered) return previewPlan(this.#options, home, config, run);
        const aside = await this.#options.synthesizer.machine(machine, { kind: 'implicit' });
        return previewRecovered(this.#options, home, aside, recovered, run);
      });
    });
  }

  /**
   * Makes the machine in one run: with an empty state nothing can be destroyed. Removes first what a broken run of the
   * same machine left. `facts` are asked for `volumesOf` the intent. Throws Terminal NotOwned, StateCorruptError,
   * PoolNotFound, NetworkNotFound …, TransientError for what may pass.
   */
  async create(intent: MachineIntent, facts: HostFacts, options: UpdateOptions = {}): Promise<void> {
    await this.#locked(intent, 'create', options, (home, lock) =>
      this.#withConfig(atActualSize(intent, facts.volumeDetails), home, options, async (config) => {
        const { terraform } = this.#options;
        const state = await terraform.state(home.workspace);
        const run = { providerKey: intent.uri, lock, ownProvider: isTransferred(intent), ...options };
        const recovery = { intent, home, config, run };
        // Somebody else made it while we waited for the lock, or it was made before and its state is lost.
        if (state?.resources.length || (await recoverState(this.#options, recovery, facts, state)))
          return changeMachine(this.#options, recovery, facts, options);
        await clearLeftovers(this.#options, recovery, facts, state);
        await refuseDisguisedVolumes(intent, facts, this.#options.libvirt(intent.uri), this.#options.policy);
        await claimAddresses(this.#options, intent);
        await withPendingOperation(home, 'create', () => terraform.apply(home.workspace, config, run));
      }),
    );
  }

  /**
   * Brings an existing machine to its intent: plan, guard, apply of that very plan. `facts` as for create. Throws Terminal
   * ReplaceRefused when the plan replaces or deletes its domain or a disk and that is not allowed.
   */
  async update(intent: MachineIntent, facts: HostFacts, options: UpdateOptions = {}): Promise<void> {
    await this.#locked(intent, 'update', options, (home, lock) =>
      this.#withConfig(atActualSize(intent, facts.volumeDetails), home, options, (config) => {
        const run = { providerKey: intent.uri, lock, ownProvider: isTransferred(intent), ...options };
        return changeMachine(this.#options, { intent, home, config, run }, facts, options);
      }),
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
    return this.#locked(machine, 'delete', options, async (home, lock) => {
      const { terraform, libvirt } = this.#options;
      const state = await terraform.state(home.workspace);
      // Terraform would wait for a host that is away for much longer than a look does.
      const observed = await ownDomain(this.#options, machine);
      await refuseForeignState(this.#options, machine, state);
      const observer = libvirt(machine.uri);
      requireVisiblePools(machine, await observer.facts(), state);
      await shutDown(this.#options, machine, options.shutdownTimeoutMs, options, async () => observed);
      if (state?.resources.length) {
        // Destroying needs no image, no user data, nothing that may be gone by now.
        const config = emptyStack(machine.uri, home.backend);
        const run = { providerKey: machine.uri, lock, ...options };
        await withStateAtRisk(home, 'delete', () => terraform.destroy(home.workspace, config, run));
      }
      const facts = await observer.facts({ volumesOf: [...new Set([...machine.pools, ...poolsIn(state)])] });
      requireVisiblePools(machine, facts, state);
      await removeLeftovers(await findLeftovers(machine, facts, observer, undefined), observer);
      await releaseAddresses(this.#options, machine, machine.reservations);
      await home.discard();
      return facts;
    });
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

  /** Removes one volume of a machine, unless its state knows it by now. The caller has proven that it is ours and in nobody's use. */
  async removeVolume(
    machine: HostedMachine,
    { pool, volume }: { readonly pool: string; readonly volume: string },
  ): Promise<void> {
    await this.#locked(machine, 'remove a volume', {}, async (home) => {
      const state = await this.#options.terraform.state(home.workspace);
      if (state?.resources.some(({ attributes }) => attributes['name'] === volume)) return;
      await this.#options.libvirt(machine.uri).removeVolume(pool, volume);
    });
  }

  /**
   * The stack of a machine, with the seed on disk for as long as Terraform may read it. One that its author has made is offered by the
   * relay, if anything of the configuration is to be applied.
   */
  async #withConfig<T>(
    intent: MachineIntent,
    home: StateHandle,
    { isPreview = false, stack }: { readonly isPreview?: boolean; readonly stack?: EarlyStack | undefined },
    work: (config: object, machine: stacks.MachineIntent) => Promise<T>,
  ): Promise<T> {
    const directory = seedDirectory(home);
    try {
      const machine = await writeSeed(intent, directory);
      const { seed } = intent;
      if (isPreview || seed?.kind !== 'iso') {
        // Disks that are larger by now make another intent.
        const early = stack?.intent === intent ? stack.config : undefined;
        return await work(await (early ?? this.#synth(machine, home)), machine);
      }
      return await this.#options.relay.offer({ kind: 'seed', source: seed.source }, async ({ url }) => {
        const offered = { ...machine, seed: { ...seed, source: url } };
        return work(await this.#synth(offered, home), machine);
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  #synth(machine: stacks.MachineIntent, { backend }: StateHandle): Promise<object> {
    return traced('synth', {}, () => this.#options.synthesizer.machine(machine, backend));
  }

  /** One verb at a time a machine, also between processes; failures leave classified. */
  #locked<T>(
    machine: HostedMachine,
    operation: string,
    options: VerbOptions,
    work: (home: StateHandle, lock: Lock) => Promise<T>,
  ): Promise<T> {
    const home = this.#options.workspaces.machine(machine);
    return classified(async () => {
      const lock = await this.#options.terraform.lock(home.workspace, { operation, ...options });
      try {
        await home.prepare({ ...options, isNew: operation === 'create' });
        const { uri } = machine;
        const run = { providerKey: uri, lock, ...options };
        // A person who restores a state, and who removes a volume because the state does not know it, need the one that is there.
        const wasTorn = RECOVERING.includes(operation) && (await setTornAside(home, options));
        if (wasTorn && operation === 'delete') await restoreLast(this.#options, home, uri, run);
        await this.#options.terraform.saveErroredState(home.workspace, emptyStack(uri, home.backend), run);
        return await work(home, lock);
      } finally {
        await lock.release();
      }
    });
  }
}

/** True for a machine of which a seed comes from a server, which may be slow. Everything else is made from what is there. */
function isTransferred({ seed }: MachineIntent): boolean {
  return seed?.kind === 'iso' && /^https?:/.test(seed.source);
}
