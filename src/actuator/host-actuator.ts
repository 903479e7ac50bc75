/**
 * What the machines of a host share: managed networks and pools, and base images, imported once. One stack and one state
 * a host; the intent is built anew under its lock, so that two callers never undo each other's work.
 */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { HostIntent } from '../../stacks/intent.ts';
import type { Plan } from '../terraform/plan.ts';
import type { ActuatorOptions, VerbOptions } from './actuator.ts';
import { classified } from './failures.ts';
import { type PlanPreview, previewPlan } from './plan-preview.ts';
import { refuseReplacement } from './replace-guard.ts';

/** The intent that was applied last, beside the state. */
const APPLIED = 'applied.json';

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
   * applied before and everything in it is still there. Throws Terminal ReplaceRefused for a change that would replace a
   * network or pool that is in use.
   */
  async ensure(
    uri: string,
    intent: () => Promise<HostIntent>,
    options: VerbOptions & { readonly allowReplace?: boolean } = {},
  ): Promise<void> {
    const { terraform, synthesizer, workspaces } = this.#options;
    const home = workspaces.host(uri);
    await classified(async () => {
      if (await this.#isApplied(await intent(), home.workspace.dir)) return;
      const lock = await terraform.lock(home.workspace, { operation: 'host', ...options });
      try {
        const wanted = await intent();
        if (await this.#isApplied(wanted, home.workspace.dir)) return;
        const config = await synthesizer.host(wanted, home.backend);
        const run = { providerKey: uri, lock, ...options };
        const plan = await terraform.plan(home.workspace, config, { ...run, save: true });
        if (plan.action !== 'none') {
          if (!options.allowReplace) {
            await refuseReplacement(replacementsOnly(plan), () =>
              terraform.explain(home.workspace, plan, run),
            );
          }
          await terraform.apply(home.workspace, config, { ...run, plan });
        }
        await this.#remember(wanted, home.workspace.dir);
      } finally {
        await lock.release();
      }
    });
  }

  async #isApplied(intent: HostIntent, dir: string): Promise<boolean> {
    const applied = await readFile(join(dir, APPLIED), 'utf8').catch(() => undefined);
    if (applied === undefined) return isNothing(intent);
    if (!isDeepStrictEqual(JSON.parse(applied), JSON.parse(JSON.stringify(intent)))) return false;
    const pools = new Set(intent.images.map((image) => image.pool));
    const facts = await this.#options.libvirt(intent.uri).facts({ volumesOf: [...pools] });
    return (
      intent.images.every((image) =>
        facts.volumes.some((v) => v.pool === image.pool && v.name === image.volume),
      ) &&
      intent.networks.every((network) => facts.networks.some((n) => n.name === network.name && n.active)) &&
      intent.pools.every((pool) => facts.pools.some((p) => p.name === pool.name && p.active))
    );
  }

  async #remember(intent: HostIntent, dir: string): Promise<void> {
    const file = join(dir, APPLIED);
    if (isNothing(intent)) await rm(dir, { recursive: true, force: true });
    else await writeFile(file, JSON.stringify(intent, null, 2), { mode: 0o600 });
  }
}

function isNothing(intent: HostIntent): boolean {
  return intent.images.length + intent.networks.length + intent.pools.length === 0;
}

/** Deleting is what the intent asks for when nobody uses a thing any more; replacing takes it from those who do. */
function replacementsOnly(plan: Plan): Plan {
  return { ...plan, changes: plan.changes.filter((change) => change.action === 'replace') };
}
