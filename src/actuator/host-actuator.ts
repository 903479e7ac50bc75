/**
 * What the machines of a host share: managed networks and pools, and base images, imported once. One stack and one state
 * a host; the intent is built anew under its lock, so that two callers never undo each other's work.
 */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyStack } from '../../stacks/empty-stack.ts';
import type { StackObject } from '../../stacks/import-stack.ts';
import type { HostIntent, ImageIntent, PoolIntent } from '../../stacks/intent.ts';
import { factsWith } from '../intent/host-intent.ts';
import { shortHash } from '../intent/names.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import type { VolumeKey } from '../libvirt/volume.ts';
import type { Lock } from '../system/file-lock.ts';
import type { Plan } from '../terraform/format/plan.ts';
import { classified } from './classify-error.ts';
import { fullPool } from './host/full-pool.ts';
import type { ActuatorOptions, VerbOptions } from './options.ts';
import { type PlanPreview, previewAside } from './plan/preview.ts';
import { refuseReplacement } from './plan/replace-guard.ts';
import { begunObjects, forgetMaking, noteMaking } from './state/host-journal.ts';
import { completeHostState, knowsAll, refuseForeignObjects, restoreHostState } from './state/recover-host.ts';
import { type Restored, restoreState } from './state/restore.ts';
import type { StackHome } from './state/state-home.ts';

const NOTHING_TO_DO: PlanPreview = { plan: { action: 'none', changes: [], drift: [] }, explanations: [] };

/** The hash of the intent that was applied last, beside the state. */
const APPLIED = 'applied';

export interface EnsureOptions extends VerbOptions {
  /** Let a plan replace a network or pool that machines may be using. Default: refused. */
  readonly allowReplace?: boolean;
  /** Volumes that the caller wants to see. */
  readonly volumes?: readonly VolumeKey[];
  /** How the host looked a moment ago. Default: it is looked at. */
  readonly seen?: HostFacts;
  /** Sees the host as it will be, before anything is made. What it throws stops the call. */
  readonly check?: (facts: HostFacts) => void;
}

/** Networks, by name, and pools that were made here. */
export interface MadeObjects {
  readonly networks: readonly string[];
  readonly pools: readonly PoolIntent[];
}

export class HostActuator {
  readonly #options: ActuatorOptions;

  constructor(options: ActuatorOptions) {
    this.#options = options;
  }

  /**
   * Makes host `uri` what `intent` says, evaluated under the host's lock. Costs no Terraform run when the same intent was
   * applied before and everything in it is still there, on the host and in the state; a state that was lost comes back. Returns
   * what the host then looks like, with the images of the intent and with `volumes`, as far as they are there. What cannot be made
   * and is none of `volumes` fails nobody who names some. Throws Terminal ReplaceRefused for a change that would replace a network
   * or pool, NotOwned for one that is there and not provably ours.
   */
  async ensure(
    uri: string,
    intent: () => Promise<HostIntent>,
    options: EnsureOptions = {},
  ): Promise<HostFacts> {
    return classified(async () => {
      const home = this.#options.workspaces.host(uri);
      const wanted = await intent();
      const facts = options.seen ?? (await this.#facts(wanted, options));
      options.check?.(factsWith(facts, wanted));
      if (await this.#isApplied(wanted, facts, home)) return facts;
      return this.#locked(home, 'host', options, async (lock) => {
        await home.prepare(options);
        return this.#makeTrue(intent, home, lock, options);
      });
    });
  }

  /**
   * The changes that `ensure` would make, attribute by attribute. Changes nothing, and waits for nobody: it works on a copy of the
   * state. Throws Terminal NotOwned for a network or pool that is there and not provably ours.
   */
  async plan(
    uri: string,
    intent: () => Promise<HostIntent>,
    options: VerbOptions = {},
  ): Promise<PlanPreview> {
    return classified(async () => {
      const home = this.#options.workspaces.host(uri);
      const wanted = await intent();
      const state = await this.#options.terraform.state(home.workspace);
      if (isNothing(wanted) && !state?.resources.length) return NOTHING_TO_DO;
      await refuseForeignObjects(this.#options, { uri, home }, wanted);
      const backend = { kind: 'implicit' } as const;
      const config = isNothing(wanted)
        ? emptyStack(uri, backend)
        : await this.#options.synthesizer.host(wanted, backend);
      const text = await this.#options.terraform.stateText(home.workspace);
      const kept = state?.resources.length ? undefined : (await home.history.list())[0];
      const isLost = kept !== undefined && kept.resources > 0;
      const directory = await mkdtemp(join(tmpdir(), 'caplv-plan-'));
      const run = { providerKey: uri, ...options };
      const from = isLost ? await home.history.read(kept) : text;
      const preview = await previewAside(this.#options, directory, config, from, run);
      return isLost ? { ...preview, recovered: [{ from: `serial ${kept.serial}`, objects: [] }] } : preview;
    });
  }

  /** Puts a serial of the history in place of the host's state, even of one that cannot be read. See state-restore.ts. */
  async restoreState(uri: string, serial: number, options: VerbOptions = {}): Promise<Restored> {
    return classified(async () => {
      const home = this.#options.workspaces.host(uri);
      return this.#locked(home, 'state restore', options, async (lock) => {
        await home.prepare(options);
        const restored = await restoreState(this.#options, home, uri, serial, lock);
        // What was applied last may be in another serial.
        await home.notes.remove(APPLIED);
        return restored;
      });
    });
  }

  /** What of the host the state knows. */
  async made(uri: string): Promise<MadeObjects> {
    const state = await this.#options.terraform.state(this.#options.workspaces.host(uri).workspace);
    const all = (wanted: string) =>
      (state?.resources ?? []).flatMap(({ type, attributes }) => (type === wanted ? [attributes] : []));
    return {
      networks: all('libvirt_network').map(({ name }) => String(name)),
      pools: all('libvirt_pool').map(({ name, target }) => ({
        name: String(name),
        path: String((target as readonly { readonly path?: unknown }[] | undefined)?.[0]?.path),
      })),
    };
  }

  /** Removes an image that no state knows. The caller has proven that it is ours, and that no disk stands on it. */
  async removeImage(
    uri: string,
    { pool, volume }: { readonly pool: string; readonly volume: string },
  ): Promise<void> {
    await classified(async () => {
      const home = this.#options.workspaces.host(uri);
      await this.#locked(home, 'remove an image', {}, async () => {
        const state = await this.#options.terraform.state(home.workspace);
        if (state?.resources.some(({ attributes }) => attributes['name'] === volume)) return;
        await this.#options.libvirt(uri).removeVolume(pool, volume);
      });
    });
  }

  /** One at a time a host, also between processes. */
  async #locked<T>(
    { workspace }: StackHome,
    operation: string,
    options: VerbOptions,
    work: (lock: Lock) => Promise<T>,
  ): Promise<T> {
    const lock = await this.#options.terraform.lock(workspace, { operation, ...options });
    try {
      return await work(lock);
    } finally {
      await lock.release();
    }
  }

  async #makeTrue(
    evaluate: () => Promise<HostIntent>,
    home: StackHome,
    lock: Lock,
    options: EnsureOptions,
  ): Promise<HostFacts> {
    const { terraform, synthesizer } = this.#options;
    const wanted = await evaluate();
    const facts = await this.#facts(wanted, options);
    if (await this.#isApplied(wanted, facts, home)) return facts;
    // What is there is in doubt until the run has succeeded: whoever pins an image from here on waits for the lock. Who has done
    // so before is in the intent by now, so that nobody's image is removed.
    await home.notes.remove(APPLIED);
    const { uri } = wanted;
    const run = { providerKey: uri, lock, ...options };
    const recovery = { uri, home, run };
    await terraform.saveErroredState(home.workspace, emptyStack(uri, home.backend), run);
    // Before the intent, to which it matters what was made here.
    await restoreHostState(this.#options, recovery);
    const intent = await evaluate();
    const begun = await begunObjects(home);
    await completeHostState(this.#options, recovery, intent, begun);
    const state = await terraform.state(home.workspace);
    if (isNothing(intent) && !state?.resources.length) {
      await this.#remember(intent, home);
      return facts;
    }
    // The last machine of a host is often deleted by a command that needs cdktf for nothing else.
    const config = isNothing(intent)
      ? emptyStack(intent.uri, home.backend)
      : await synthesizer.host(intent, home.backend);
    const plan = await terraform.plan(home.workspace, config, { ...run, save: true });
    let noted: readonly StackObject[] = begun;
    if (plan.action !== 'none') {
      if (!options.allowReplace) {
        await refuseReplacement(replacementsOnly(plan), () => terraform.explain(home.workspace, plan, run));
      }
      noted = await noteMaking(home, intent, plan, begun);
      try {
        const pools = new Set(intent.images.map(({ pool }) => pool));
        const explainHang = () => fullPool(this.#options.libvirt(uri), pools);
        await terraform.apply(home.workspace, config, { ...run, plan, explainHang });
      } catch (error) {
        return await this.#unlessNeeded(error, intent, home, options);
      }
    }
    if (noted.length > 0) await forgetMaking(home);
    await this.#remember(intent, home);
    return this.#facts(intent, options);
  }

  /** What others asked for, for example an image whose server is gone, stops them and not this caller: the next one tries it again. */
  async #unlessNeeded(
    error: unknown,
    intent: HostIntent,
    home: StackHome,
    options: EnsureOptions,
  ): Promise<HostFacts> {
    const { volumes } = options;
    // Who only lets things go is done when they are gone.
    if (!volumes) throw error;
    const facts = await this.#facts(intent, options);
    const isNeeded = ({ pool, volume }: ImageIntent) =>
      volumes.some((one) => one.pool === pool && one.name === volume);
    const needed = { ...intent, images: intent.images.filter(isNeeded) };
    if (isThere(needed, facts) && (await knowsAll(this.#options.terraform, home, needed))) return facts;
    throw error;
  }

  /** The same was applied before, and is there, on the host and in the state. */
  async #isApplied(intent: HostIntent, facts: HostFacts, home: StackHome): Promise<boolean> {
    const applied = await home.notes.read(APPLIED);
    if (applied === undefined) {
      // A state that is lost has left its history.
      return isNothing(intent) && !(await home.exists()) && (await home.history.list()).length === 0;
    }
    return (
      applied === hashOf(intent) &&
      isThere(intent, facts) &&
      (await knowsAll(this.#options.terraform, home, intent))
    );
  }

  #facts({ uri, images }: HostIntent, { volumes = [] }: EnsureOptions): Promise<HostFacts> {
    const named = [...volumes, ...images.map(({ pool, volume }) => ({ pool, name: volume }))];
    const details = new Map(named.map((one) => [`${one.pool}/${one.name}`, one]));
    return this.#options.libvirt(uri).facts({ details: [...details.values()] });
  }

  async #remember(intent: HostIntent, home: StackHome): Promise<void> {
    if (isNothing(intent)) await home.discard();
    else await home.notes.write(APPLIED, hashOf(intent));
  }
}

function isThere({ images, networks, pools }: HostIntent, facts: HostFacts): boolean {
  return (
    images.every(({ pool, volume }) =>
      facts.volumes.some((one) => one.pool === pool && one.name === volume),
    ) &&
    networks.every(({ name }) => facts.networks.some((one) => one.name === name && one.active)) &&
    pools.every(({ name }) => facts.pools.some((one) => one.name === name && one.active))
  );
}

function hashOf(intent: HostIntent): string {
  return shortHash(JSON.stringify(intent));
}

function isNothing(intent: HostIntent): boolean {
  return intent.images.length + intent.networks.length + intent.pools.length === 0;
}

/**
 * Deleting is what the intent asks for when nobody uses a thing any more; replacing takes it from those who do. What a broken
 * run half made (an image of which the download failed) is used by nobody.
 */
function replacementsOnly(plan: Plan): Plan {
  const { changes } = plan;
  return { ...plan, changes: changes.filter((one) => one.action === 'replace' && one.reason !== 'tainted') };
}
