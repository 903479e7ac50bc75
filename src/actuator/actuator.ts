/**
 * The four verbs of the domain: create, exists, update, delete. Each takes a resolved intent, or the identity of a
 * machine, and makes it true through Terraform; libvirt is only read, asked to shut a guest down, and rid of leftovers.
 */

import { rm } from 'node:fs/promises';
import { emptyStack } from '../../stacks/empty-stack.ts';
import type { MachineIntent } from '../../stacks/intent.ts';
import { type SeededMachine, writeSeed } from '../../stacks/seed-file.ts';
import { CaplvError, Transient } from '../errors.ts';
import { domainName, isOwnedBy, type MachineIdentity } from '../intent/names.ts';
import type { AddressSource } from '../libvirt/addresses.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import type { HostFacts } from '../libvirt/facts.ts';
import type { ObjectKey } from '../store/store.ts';
import type { Lock } from '../terraform/lock.ts';
import type { ResourceChange } from '../terraform/plan.ts';
import type { State } from '../terraform/state.ts';
import { traced } from '../tracing.ts';
import { classified } from './failures.ts';
import { findLeftovers, isEmpty, notOwned, removeLeftovers } from './leftovers.ts';
import {
  type MachineLocation,
  poolsIn,
  poolsOf,
  type ReservedAddresses,
  reservationsOf,
} from './machine-location.ts';
import { dataIsGone, missingVolume, NEW_DOMAIN } from './missing-volume.ts';
import { type PlanPreview, previewPlan, previewRecovered } from './plan-preview.ts';
import { planId } from './plan-report.ts';
import { destructiveChanges, refuseReplacement } from './replace-guard.ts';
import { refuseForeignState } from './state-ownership.ts';
import { isIncomplete, type Recovery, recoveredState, recoverState } from './state-recovery.ts';
import { type Restored, restoreState } from './state-restore.ts';
import { brokenOff, explainsLeftovers, forgetUnfinished, noted, unfinishedVerb } from './unfinished.ts';
import type { ActuatorOptions, UpdateOptions, VerbOptions } from './verbs.ts';
import { refuseDisguisedVolumes } from './volume-guard.ts';
import { type StackHome, seedDirectory } from './workspaces.ts';

/** For a guest that is to be off and stays: there is no hurry. */
const DEFAULT_SHUTDOWN_MS = 60_000;

/** Time enough for a look of somebody else. */
const FORGET_LOCK_MS = 5_000;

export class Actuator {
  readonly #options: ActuatorOptions;

  constructor(options: ActuatorOptions) {
    this.#options = options;
  }

  /**
   * What is on the host: undefined when there is no domain of this machine. `sources` are asked for addresses when a running
   * guest has no lease. Throws Transient LibvirtUnreachable.
   */
  async exists(
    machine: MachineLocation,
    sources: readonly AddressSource[] = [],
  ): Promise<DomainObservation | undefined> {
    return classified(async () => {
      const libvirt = this.#options.libvirt(machine.uri);
      const observed = await libvirt.domain(domainName(machine));
      if (!observed || !isOwnedBy(machine, observed.description)) return undefined;
      if (observed.state !== 'running' || observed.addresses.length > 0 || sources.length === 0)
        return observed;
      return { ...observed, addresses: await libvirt.addresses(observed.name, sources) };
    });
  }

  /** For a caller who will create or update soon: loads what that needs while he is busy otherwise. */
  warm(): void {
    this.#options.synthesizer.warm();
  }

  /** True if Terraform has, or had at its last run, anything of this machine. */
  async hasState(machine: ObjectKey): Promise<boolean> {
    const state = await this.#options.terraform.state(this.#options.workspaces.machine(machine).workspace);
    return (state?.resources.length ?? 0) > 0;
  }

  /** Puts a serial of the history in place of the machine's state, even of one that cannot be read. See state-restore.ts. */
  async restoreState(
    machine: MachineIdentity & { readonly uri: string },
    serial: number,
    options: VerbOptions = {},
  ): Promise<Restored> {
    return this.#locked(machine, 'state restore', options, (home, lock) =>
      restoreState(this.#options, home, machine.uri, serial, lock),
    );
  }

  /** True if anything of this machine may be on its host. */
  async wasBegun(machine: ObjectKey): Promise<boolean> {
    const home = this.#options.workspaces.machine(machine);
    return (await this.hasState(machine)) || (await unfinishedVerb(home)) !== undefined;
  }

  /** The changes that `create` or `update` would make, attribute by attribute. Changes nothing. */
  async plan(
    intent: MachineIntent,
    options: VerbOptions & Pick<UpdateOptions, 'replaceDomain'> = {},
  ): Promise<PlanPreview> {
    return this.#locked(intent, 'plan', options, async (home, lock) => {
      const state = await this.#options.terraform.state(home.workspace);
      await this.#refuseForeign(intent, state);
      const run = { providerKey: intent.uri, lock, ...options, replace: replaced(options) };
      return this.#withConfig(intent, home, async (config, seeded) => {
        const recovered = isIncomplete(seeded, state)
          ? await recoveredState(
              this.#options,
              { intent, seeded, home, run },
              await this.#factsOf(intent),
              state,
            )
          : undefined;
        if (!recovered) return previewPlan(this.#options, home, config, run);
        const aside = await this.#options.synthesizer.machine(seeded, { kind: 'implicit' });
        return previewRecovered(this.#options, home, aside, recovered, run);
      });
    });
  }

  /**
   * Makes the machine in one run: with an empty state nothing can be destroyed. Removes first what a broken run of the
   * same machine left. `facts` list the volumes of the machine's pools. Throws Terminal NotOwned, StateCorrupt,
   * PoolNotFound, NetworkNotFound …, Transient for what may pass.
   */
  async create(intent: MachineIntent, facts: HostFacts, options: UpdateOptions = {}): Promise<void> {
    await this.#locked(intent, 'create', options, (home, lock) =>
      this.#withConfig(intent, home, async (config, seeded) => {
        const { terraform } = this.#options;
        const state = await terraform.state(home.workspace);
        const recovery = { intent, seeded, home, config, run: { providerKey: intent.uri, lock, ...options } };
        // Somebody else made it while we waited for the lock, or it was made before and its state is lost.
        if (state?.resources.length || (await recoverState(this.#options, recovery, facts, state)))
          return this.#change(recovery, facts, options);
        await this.#clearLeftovers(intent, facts, home, state, options);
        await this.#releaseAddresses(intent, reservationsOf(intent));
        await refuseDisguisedVolumes(intent, this.#options.libvirt(intent.uri));
        const run = { providerKey: intent.uri, lock, ...options };
        await noted(home, 'create', () => terraform.apply(home.workspace, config, run));
      }),
    );
  }

  /**
   * Brings an existing machine to its intent: plan, guard, apply of that very plan. `facts` as for create. Throws Terminal
   * ReplaceRefused when the plan replaces or deletes its domain or a disk and that is not allowed.
   */
  async update(intent: MachineIntent, facts: HostFacts, options: UpdateOptions = {}): Promise<void> {
    await this.#locked(intent, 'update', options, (home, lock) =>
      this.#withConfig(intent, home, (config, seeded) => {
        const run = { providerKey: intent.uri, lock, ...options };
        return this.#change({ intent, seeded, home, config, run }, facts, options);
      }),
    );
  }

  /**
   * Asks the guest to shut down, for at most `shutdownTimeoutMs`, then destroys all that is the machine's: what Terraform
   * knows, and proven leftovers. Deleting what is not there is no error.
   */
  async delete(
    machine: MachineLocation,
    options: VerbOptions & { readonly shutdownTimeoutMs: number },
  ): Promise<void> {
    await this.#locked(machine, 'delete', options, async (home, lock) => {
      const { terraform, libvirt } = this.#options;
      const state = await terraform.state(home.workspace);
      // Terraform would wait for a host that is away for much longer than a look does.
      await this.exists(machine);
      await this.#refuseForeign(machine, state);
      await this.#shutDown(machine, options.shutdownTimeoutMs, options);
      if (state?.resources.length) {
        // Destroying needs no image, no user data, nothing that may be gone by now.
        const config = emptyStack(machine.uri, home.backend);
        await terraform.destroy(home.workspace, config, { providerKey: machine.uri, lock, ...options });
      }
      const observer = libvirt(machine.uri);
      const facts = await observer.facts({ volumesOf: [...new Set([...machine.pools, ...poolsIn(state)])] });
      await removeLeftovers(await findLeftovers(machine, facts, observer, undefined), observer);
      await this.#releaseAddresses(machine, machine.reservations);
      await home.discard();
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
    machine: MachineIdentity & { readonly uri: string },
    { pool, volume }: { readonly pool: string; readonly volume: string },
  ): Promise<void> {
    await this.#locked(machine, 'remove a volume', {}, async (home) => {
      const state = await this.#options.terraform.state(home.workspace);
      if (state?.resources.some(({ attributes }) => attributes['name'] === volume)) return;
      await this.#options.libvirt(machine.uri).removeVolume(pool, volume);
    });
  }

  #factsOf(intent: MachineIntent): Promise<HostFacts> {
    return this.#options.libvirt(intent.uri).facts({ volumesOf: poolsOf(intent) });
  }

  /** Plan, guard, apply. */
  async #change(recovery: Recovery, facts: HostFacts, options: UpdateOptions): Promise<void> {
    const { terraform } = this.#options;
    const { intent, home, config, run } = recovery;
    const state = await terraform.state(home.workspace);
    await this.#refuseForeign(intent, state);
    const broken = await brokenOff(home, state, facts.domains.includes(intent.domain.name));
    await recoverState(this.#options, recovery, facts, state);
    if (!intent.domain.running) await this.#stop(intent, options);
    const planning = { ...run, save: true, replace: replaced(options) };
    const plan = await terraform.plan(home.workspace, config, planning).catch(async (error: unknown) => {
      const volume = missingVolume(error);
      if (volume === undefined) throw error;
      await this.#removeBroken(intent, volume, options);
    });
    // Without its domain it can be planned; and what removing it takes was asked for.
    if (!plan) {
      const { review: _, onlyApproved: __, ...rest } = options;
      return this.#change(recovery, facts, rest);
    }
    if (plan.action === 'none') {
      if (broken !== undefined) await forgetUnfinished(home);
      return;
    }
    // What a broken create left was never in use: it may be replaced.
    const approved = options.approvedPlan === planId(intent, plan);
    if (options.onlyApproved && !approved) throw planChanged();
    const allowed = approved || options.allowReplace || broken === 'create';
    if (!allowed) {
      const isOn = async () =>
        (await this.exists({ ...intent, pools: [], reservations: [] }))?.state === 'running';
      await refuseReplacement(plan, () => terraform.explain(home.workspace, plan, run), isOn);
    }
    await options.review?.(plan, approved);
    const seen = (await options.beforeApply?.()) ?? facts;
    if (plan.changes.some(makesDomain))
      await refuseDisguisedVolumes(intent, this.#options.libvirt(intent.uri));
    await this.#clearLeftovers(intent, seen, home, await terraform.state(home.workspace), options);
    if (destructiveChanges(plan).some((change) => change.type === 'libvirt_domain')) {
      await this.#shutDown(
        { ...intent, pools: [], reservations: [] },
        options.shutdownTimeoutMs ?? 0,
        options,
      );
    }
    // Also of a domain that a broken replacement has removed already.
    if (plan.changes.some(({ type, action }) => type === 'libvirt_domain' && action !== 'update')) {
      await this.#releaseAddresses(intent, reservationsOf(intent));
    }
    await noted(home, 'update', () => terraform.apply(home.workspace, config, { ...run, plan }));
    // Any change in place starts a domain that is off; its guest has not yet begun anything.
    const now = intent.domain.running
      ? undefined
      : await this.exists({ ...intent, pools: [], reservations: [] });
    if (now?.state === 'running') {
      await this.#options.libvirt(intent.uri).powerOff(intent.domain.name);
    }
  }

  /** Removes a domain that lacks a disk, if that loses nothing but what an image has, or may lose more. */
  async #removeBroken(intent: MachineIntent, volume: string, options: UpdateOptions): Promise<void> {
    const location = { ...intent, pools: [], reservations: [] };
    const observed = await this.exists(location);
    if (!observed) throw notOwned(intent.domain.name);
    const isImage = volume === intent.rootDisk.volume && observed.state !== 'running';
    if (!isImage && !options.allowReplace) throw dataIsGone(volume);
    await options.review?.(NEW_DOMAIN, false);
    await this.#shutDown(location, options.shutdownTimeoutMs ?? 0, options);
    await this.#options.libvirt(intent.uri).removeDomain(observed.name);
    options.onEvent?.({ type: 'leftovers_removed', names: [observed.name] });
  }

  async #refuseForeign(machine: MachineLocation | MachineIntent, state: State | undefined): Promise<void> {
    if (this.#options.trustsStates) return;
    await refuseForeignState(machine, state, this.#options.libvirt(machine.uri));
  }

  /** The stack of a machine, with the seed on disk for as long as Terraform may read it. */
  async #withConfig<T>(
    intent: MachineIntent,
    home: StackHome,
    work: (config: object, seeded: SeededMachine) => Promise<T>,
  ): Promise<T> {
    const directory = seedDirectory(home);
    try {
      const seeded = await writeSeed(intent, directory);
      const config = await traced('synth', {}, () => this.#options.synthesizer.machine(seeded, home.backend));
      return await work(config, seeded);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** One verb at a time a machine, also between processes; failures leave classified. */
  #locked<T>(
    machine: MachineIdentity & { readonly uri: string },
    operation: string,
    options: VerbOptions,
    work: (home: StackHome, lock: Lock) => Promise<T>,
  ): Promise<T> {
    const home = this.#options.workspaces.machine(machine);
    return classified(async () => {
      const lock = await this.#options.terraform.lock(home.workspace, { operation, ...options });
      try {
        await home.prepare({ ...options, isNew: operation === 'create' });
        const { uri } = machine;
        const run = { providerKey: uri, lock, ...options };
        await this.#options.terraform.saveErroredState(home.workspace, emptyStack(uri, home.backend), run);
        return await work(home, lock);
      } finally {
        await lock.release();
      }
    });
  }

  async #clearLeftovers(
    intent: MachineIntent,
    facts: HostFacts,
    home: StackHome,
    state: State | undefined,
    options: VerbOptions,
  ): Promise<void> {
    const observer = this.#options.libvirt(intent.uri);
    if (isEmpty(await findLeftovers(intent, facts, observer, state))) return;
    // Looked at again before anything is removed: the facts are from before the lock.
    const leftovers = await findLeftovers(intent, await this.#factsOf(intent), observer, state);
    if (isEmpty(leftovers)) return;
    if (leftovers.domain?.isOurs === false) throw notOwned(leftovers.domain.name);
    // Volumes of this machine that its spec no longer names, and no broken run explains: they stay, as their data may be wanted.
    if (!(await explainsLeftovers(home, state))) return;
    options.onEvent?.({ type: 'leftovers_removed', names: await removeLeftovers(leftovers, observer) });
  }

  /** The provider makes reservations and never takes them back (0.8.3); one that stays blocks its address for the next. */
  async #releaseAddresses(
    machine: MachineIdentity & { readonly uri: string },
    reservations: readonly ReservedAddresses[],
  ): Promise<void> {
    if (reservations.length === 0) return;
    const libvirt = this.#options.libvirt(machine.uri);
    const others = (await libvirt.domains()).filter(({ description }) => !isOwnedBy(machine, description));
    const foreign = new Set(others.flatMap(({ interfaces }) => interfaces.map(({ mac }) => mac)));
    for (const { network, hostname, addresses } of reservations) {
      await libvirt.removeReservations(network, hostname, addresses, foreign);
    }
  }

  /** The provider starts domains and never stops one (0.8.3), so a guest that is to be off is asked. */
  async #stop(intent: MachineIntent, options: UpdateOptions): Promise<void> {
    const timeoutMs = options.shutdownTimeoutMs || DEFAULT_SHUTDOWN_MS;
    if ((await this.#shutDown({ ...intent, pools: [], reservations: [] }, timeoutMs, options)) === 'off')
      return;
    throw new Transient({
      code: 'LibvirtError',
      message: `the guest did not shut down within ${timeoutMs / 1_000} s`,
      fix: `shut it down from inside, or power it off: virsh destroy ${intent.domain.name}`,
      retryAfterMs: 30_000,
    });
  }

  async #shutDown(
    machine: MachineLocation,
    timeoutMs: number,
    options: VerbOptions,
  ): Promise<'off' | 'timeout'> {
    if (timeoutMs <= 0) return 'timeout';
    const observed = await this.exists(machine);
    if (observed?.state !== 'running') return 'off';
    options.onEvent?.({ type: 'shutdown_requested', timeoutMs });
    const outcome = await this.#options.libvirt(machine.uri).shutdown(observed.name, { timeoutMs });
    if (outcome === 'timeout') options.onEvent?.({ type: 'shutdown_timeout' });
    return outcome;
  }
}

/** Addresses for `terraform plan -replace`. */
function replaced({ replaceDomain }: Pick<UpdateOptions, 'replaceDomain'>): readonly string[] {
  return replaceDomain ? ['libvirt_domain.machine'] : [];
}

function makesDomain({ type, action }: ResourceChange): boolean {
  return type === 'libvirt_domain' && (action === 'create' || action === 'replace');
}

function planChanged(): Transient {
  return new Transient({
    code: 'Conflict',
    message: 'what would change is no longer what was approved',
    fix: 'look at the new plan, and approve that',
    retryAfterMs: 1_000,
  });
}
