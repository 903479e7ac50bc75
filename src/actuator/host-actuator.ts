/**
 * What the machines of a host share: managed networks and pools, and base images, imported once. One stack and one state
 * a host; the intent is built anew under its lock, so that two callers never undo each other's work.
 */

import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { HostIntent } from '../../stacks/intent.ts';
import { factsWith } from '../intent/host-intent.ts';
import type { HostFacts } from '../libvirt/facts.ts';
import type { Lock } from '../terraform/lock.ts';
import type { Plan } from '../terraform/plan.ts';
import type { ActuatorOptions, VerbOptions } from './actuator.ts';
import { classified } from './failures.ts';
import { type PlanPreview, previewPlan } from './plan-preview.ts';
import { refuseReplacement } from './replace-guard.ts';
import type { StackHome } from './workspaces.ts';

/** The intent that was applied last, beside the state. */
const APPLIED = 'applied.json';

export interface EnsureOptions extends VerbOptions {
  /** Let a plan replace a network or pool that machines may be using. Default: refused. */
  readonly allowReplace?: boolean;
  /** Further pools whose volumes the caller wants to see. */
  readonly volumesOf?: readonly string[];
  /** Sees the host as it will be, before anything is made. What it throws stops the call. */
  readonly check?: (facts: HostFacts) => void;
}

export class HostActuator {
  readonly #options: ActuatorOptions;

  constructor(options: ActuatorOptions) {
    this.#options = options;
  }

  /** The changes that `ensure` would make. Changes nothing. */
  async plan(intent: HostIntent, options: VerbOptions = {}): Promise<PlanPreview> {
    return classified(async () => {
      const home = this.#options.workspaces.host(intent.uri);
      const config = await this.#options.synthesizer.host(intent, home.backend);
      return previewPlan(this.#options, home, config, { providerKey: intent.uri, ...options });
    });
  }

  /**
   * Makes host `uri` what `intent` says, evaluated under the host's lock. Costs no Terraform run when the same intent was
   * applied before and everything in it is still there. Returns what the host then looks like, with the volumes of the
   * intent's pools and of `volumesOf`. Throws Terminal ReplaceRefused for a change that would replace a network or pool.
   */
  async ensure(
    uri: string,
    intent: () => Promise<HostIntent>,
    options: EnsureOptions = {},
  ): Promise<HostFacts> {
    return classified(async () => {
      const home = this.#options.workspaces.host(uri);
      const wanted = await intent();
      const facts = await this.#facts(wanted, options);
      options.check?.(factsWith(facts, wanted));
      if (await isApplied(wanted, facts, home)) return facts;
      const lock = await this.#options.terraform.lock(home.workspace, { operation: 'host', ...options });
      try {
        return await this.#makeTrue(await intent(), home, lock, options);
      } finally {
        await lock.release();
      }
    });
  }

  async #makeTrue(
    intent: HostIntent,
    home: StackHome,
    lock: Lock,
    options: EnsureOptions,
  ): Promise<HostFacts> {
    const { terraform, synthesizer } = this.#options;
    const facts = await this.#facts(intent, options);
    if (await isApplied(intent, facts, home)) return facts;
    const state = await terraform.state(home.workspace);
    if (isNothing(intent) && !state?.resources.length) {
      await this.#remember(intent, home.workspace.dir);
      return facts;
    }
    const config = await synthesizer.host(intent, home.backend);
    const run = { providerKey: intent.uri, lock, ...options };
    const plan = await terraform.plan(home.workspace, config, { ...run, save: true });
    if (plan.action !== 'none') {
      if (!options.allowReplace) {
        await refuseReplacement(replacementsOnly(plan), () => terraform.explain(home.workspace, plan, run));
      }
      // What is there is in doubt until the run has succeeded.
      await rm(join(home.workspace.dir, APPLIED), { force: true });
      await terraform.apply(home.workspace, config, { ...run, plan });
    }
    await this.#remember(intent, home.workspace.dir);
    return this.#facts(intent, options);
  }

  #facts({ uri, images }: HostIntent, { volumesOf = [] }: EnsureOptions): Promise<HostFacts> {
    const pools = new Set([...volumesOf, ...images.map((image) => image.pool)]);
    return this.#options.libvirt(uri).facts({ volumesOf: [...pools] });
  }

  async #remember(intent: HostIntent, dir: string): Promise<void> {
    const file = join(dir, APPLIED);
    if (isNothing(intent)) await rm(dir, { recursive: true, force: true });
    else await writeFile(file, JSON.stringify(intent, null, 2), { mode: 0o600 });
  }
}

/** The same was applied before, and is there. */
async function isApplied(intent: HostIntent, facts: HostFacts, { workspace }: StackHome): Promise<boolean> {
  const applied = await readFile(join(workspace.dir, APPLIED), 'utf8').catch(() => undefined);
  if (applied === undefined) return isNothing(intent) && !existsSync(workspace.dir);
  if (!isDeepStrictEqual(JSON.parse(applied), JSON.parse(JSON.stringify(intent)))) return false;
  const { volumes, networks, pools } = facts;
  return (
    intent.images.every(({ pool, volume }) =>
      volumes.some((one) => one.pool === pool && one.name === volume),
    ) &&
    intent.networks.every(({ name }) => networks.some((one) => one.name === name && one.active)) &&
    intent.pools.every(({ name }) => pools.some((one) => one.name === name && one.active))
  );
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
