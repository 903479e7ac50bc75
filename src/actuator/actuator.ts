/**
 * The four verbs of the domain: create, exists, update, delete. Each takes a resolved intent, or the identity of a
 * machine, and makes it true through Terraform; libvirt is only read, asked to shut a guest down, and rid of leftovers.
 */

import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineIntent } from '../../stacks/intent.ts';
import { writeSeed } from '../../stacks/seed-file.ts';
import type { Synthesizer } from '../../stacks/synthesizer.ts';
import { Terminal } from '../errors.ts';
import { domainName, isOwnedBy, type MachineIdentity } from '../intent/names.ts';
import type { AddressSource } from '../libvirt/addresses.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import type { ObjectKey } from '../store/store.ts';
import type { Lock } from '../terraform/lock.ts';
import type { Plan } from '../terraform/plan.ts';
import type { RunEvent } from '../terraform/run-event.ts';
import type { Terraform } from '../terraform/terraform.ts';
import { classified } from './failures.ts';
import { findLeftovers, isEmpty, removeLeftovers } from './leftovers.ts';
import { type PlanPreview, previewPlan } from './plan-preview.ts';
import { destructiveChanges, refuseReplacement } from './replace-guard.ts';
import { type StackHome, seedDirectory, type Workspaces } from './workspaces.ts';

export interface ActuatorOptions {
  readonly terraform: Terraform;
  readonly synthesizer: Synthesizer;
  readonly workspaces: Workspaces;
  /** The observer of a host; the same object for the same URI. */
  readonly libvirt: (uri: string) => Libvirt;
}

export interface VerbOptions {
  readonly onEvent?: (event: ActuatorEvent) => void;
}

/** What happens while a verb runs, for progress. */
export type ActuatorEvent =
  | RunEvent
  | { readonly type: 'leftovers_removed'; readonly names: readonly string[] }
  | { readonly type: 'shutdown_requested'; readonly timeoutMs: number }
  | { readonly type: 'shutdown_timeout' };

/** Where a machine lives: what the verbs need when there is no intent, as for delete. */
export interface MachineLocation extends MachineIdentity {
  readonly uri: string;
  /** Pools in which volumes of it may lie. */
  readonly pools: readonly string[];
}

/** Present from before the first apply until it succeeded: proof that objects without a state come from a broken run. */
const CREATING = 'creating';

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

  /** True if Terraform has, or had at its last run, anything of this machine. */
  async hasState(machine: ObjectKey): Promise<boolean> {
    const state = await this.#options.terraform.state(this.#options.workspaces.machine(machine).workspace);
    return (state?.resources.length ?? 0) > 0;
  }

  /** The changes that `create` or `update` would make, attribute by attribute. Changes nothing. */
  async plan(intent: MachineIntent, options: VerbOptions = {}): Promise<PlanPreview> {
    return this.#locked(intent, 'plan', options, async (home, lock) => {
      return this.#withConfig(intent, home, (config) =>
        previewPlan(this.#options, home, config, { providerKey: intent.uri, lock, ...options }),
      );
    });
  }

  /**
   * Makes the machine in one run: with an empty state nothing can be destroyed. Removes first what a broken run of the
   * same machine left. Throws Terminal NotOwned, PoolNotFound, NetworkNotFound …, Transient for what may pass.
   */
  async create(intent: MachineIntent, options: VerbOptions = {}): Promise<void> {
    await this.#locked(intent, 'create', options, async (home, lock) => {
      const cleared = this.#clearLeftovers(intent, home, options);
      await Promise.all([
        cleared,
        this.#withConfig(intent, home, async (config) => {
          await cleared;
          const marker = join(home.workspace.dir, CREATING);
          await writeFile(marker, '', { mode: 0o600 });
          await this.#options.terraform.apply(home.workspace, config, {
            providerKey: intent.uri,
            lock,
            ...options,
          });
          await rm(marker);
        }),
      ]);
    });
  }

  /**
   * Brings an existing machine to its intent: plan, guard, apply of that very plan. Returns the plan that was applied.
   * Throws Terminal ReplaceRefused when the plan replaces or deletes its domain or a disk and that is not allowed.
   */
  async update(
    intent: MachineIntent,
    options: VerbOptions & { readonly allowReplace?: boolean; readonly shutdownTimeoutMs?: number } = {},
  ): Promise<Plan> {
    return this.#locked(intent, 'update', options, (home, lock) =>
      this.#withConfig(intent, home, async (config) => {
        const { terraform } = this.#options;
        const run = { providerKey: intent.uri, lock, ...options };
        const plan = await terraform.plan(home.workspace, config, { ...run, save: true });
        if (plan.action === 'none') return plan;
        // What a broken first run left was never in use: it may be replaced.
        const allowed = options.allowReplace || (await wasInterrupted(home));
        if (!allowed) await refuseReplacement(plan, () => terraform.explain(home.workspace, plan, run));
        await this.#clearLeftovers(intent, home, options);
        if (destructiveChanges(plan).some((change) => change.type === 'libvirt_domain')) {
          await this.#shutDown({ ...intent, pools: [] }, options.shutdownTimeoutMs ?? 0, options);
        }
        await terraform.apply(home.workspace, config, { ...run, plan });
        await rm(join(home.workspace.dir, CREATING), { force: true });
        return plan;
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
      const { terraform, libvirt, synthesizer, workspaces } = this.#options;
      const state = await terraform.state(home.workspace);
      const observer = libvirt(machine.uri);
      await this.#shutDown(machine, options.shutdownTimeoutMs, options);
      if (state?.resources.length) {
        // An empty stack: destroying needs no image, no user data, nothing that may be gone by now.
        const config = await synthesizer.host(
          { uri: machine.uri, networks: [], pools: [], images: [] },
          home.backend,
        );
        await terraform.destroy(home.workspace, config, { providerKey: machine.uri, lock, ...options });
      }
      const pools = (state?.resources ?? []).flatMap(({ attributes: { pool } }) =>
        typeof pool === 'string' ? [pool] : [],
      );
      const facts = await observer.facts({ volumesOf: [...new Set([...machine.pools, ...pools])] });
      const leftovers = await findLeftovers(machine, facts, observer, undefined).catch((error) => {
        // Somebody else's domain of that name is none of our business when we only clear up.
        if (error instanceof Terminal && error.code === 'NotOwned') return { domain: undefined, volumes: [] };
        throw error;
      });
      await removeLeftovers(leftovers, observer);
      await workspaces.discard(home);
    });
  }

  /** The stack of a machine, with the seed on disk for as long as Terraform may read it. */
  async #withConfig<T>(
    intent: MachineIntent,
    home: StackHome,
    work: (config: object) => Promise<T>,
  ): Promise<T> {
    const directory = seedDirectory(home);
    try {
      return await work(
        await this.#options.synthesizer.machine(await writeSeed(intent, directory), home.backend),
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** One verb at a time a machine, also between processes; failures leave classified. */
  #locked<T>(
    machine: MachineIdentity,
    operation: string,
    options: VerbOptions,
    work: (home: StackHome, lock: Lock) => Promise<T>,
  ): Promise<T> {
    const home = this.#options.workspaces.machine(machine);
    return classified(async () => {
      const lock = await this.#options.terraform.lock(home.workspace, { operation, ...options });
      try {
        return await work(home, lock);
      } finally {
        await lock.release();
      }
    });
  }

  async #clearLeftovers(intent: MachineIntent, home: StackHome, options: VerbOptions): Promise<void> {
    const { terraform, libvirt } = this.#options;
    const observer = libvirt(intent.uri);
    const pools = new Set([
      intent.rootDisk.pool,
      ...intent.disks.flatMap((disk) => (disk.kind === 'new' ? [disk.pool] : [])),
    ]);
    if (intent.seed) pools.add(intent.seed.pool);
    const [facts, state] = await Promise.all([
      observer.facts({ volumesOf: [...pools] }),
      terraform.state(home.workspace),
    ]);
    const leftovers = await findLeftovers(intent, facts, observer, state);
    if (isEmpty(leftovers)) return;
    if (leftovers.domain && !(await wasInterrupted(home))) throw stateMissing(leftovers.domain, home);
    await removeLeftovers(leftovers, observer);
    const names = [leftovers.domain ?? [], leftovers.volumes.map(({ volume }) => volume)].flat();
    options.onEvent?.({ type: 'leftovers_removed', names });
  }

  async #shutDown(machine: MachineLocation, timeoutMs: number, options: VerbOptions): Promise<void> {
    if (timeoutMs <= 0) return;
    const observed = await this.exists(machine);
    if (observed?.state !== 'running') return;
    options.onEvent?.({ type: 'shutdown_requested', timeoutMs });
    const outcome = await this.#options.libvirt(machine.uri).shutdown(observed.name, { timeoutMs });
    if (outcome === 'timeout') options.onEvent?.({ type: 'shutdown_timeout' });
  }
}

async function wasInterrupted(home: StackHome): Promise<boolean> {
  return access(join(home.workspace.dir, CREATING)).then(
    () => true,
    () => false,
  );
}

function stateMissing(domain: string, home: StackHome): Terminal {
  return new Terminal({
    code: 'StateMissing',
    message: `domain "${domain}" is this Machine's, but its Terraform state is not in ${home.workspace.dir}`,
    fix: `put its terraform.tfstate back, or, if the machine may go: caplv delete machine, then apply again`,
  });
}
