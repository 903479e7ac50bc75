/** Plans, applies and imports in one workspace under its lock. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { syncFile } from '../system/atomic-file.ts';
import { LOCK_TIMEOUT_MS, type Lock } from '../system/file-lock.ts';
import { readIfThere } from '../system/private-files.ts';
import type { Call } from './call.ts';
import { type ApplyResult, applyResultFrom } from './format/apply-result.ts';
import { type Explanation, explanationsFrom } from './format/explanation.ts';
import { type Plan, planFrom } from './format/plan.ts';
import { type PlannedValues, plannedValuesFrom } from './format/planned-values.ts';
import { type State, StateCorruptError } from './format/state.ts';
import { requireImport, type TerraformBinary } from './install/terraform.ts';
import { newPlanFile, takePlanFile } from './plan-file.ts';
import { isStateMismatch, TerraformError } from './run/terraform-error.ts';
import type { RunEvent } from './run-events.ts';
import type { Runner } from './runner.ts';
import { paths, type Workspace, writeConfig } from './workspace.ts';
import { readState, readStateText } from './workspace-state.ts';

/** What all runs of a session have in common. */
export interface SessionOptions {
  /** Which provider process serves the runs: the libvirt URI. */
  readonly providerKey: AllowedHost;
  /** How long to wait for others who work in this workspace or on this state. Default 60 s. */
  readonly lockTimeoutMs?: number | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  /** See `Call`. */
  readonly ownProvider?: boolean | undefined;
}

/** What a session has of the Terraform that opened it. */
export interface SessionTools {
  readonly runner: Runner;
  readonly binary: () => Promise<TerraformBinary>;
  readonly secretAttributes: ReadonlySet<string>;
  /** Keeps that Terraform from closing before `running` has ended. */
  readonly track: <T>(running: Promise<T>) => Promise<T>;
}

/**
 * A workspace under its lock, until it is released: nobody comes between what is done in it. Every run throws TerraformError if it
 * failed, and StateLockedError (TransientError) if others held the state for too long. A run that has begun is never interrupted.
 */
export class TerraformSession {
  readonly workspace: Workspace;
  readonly #tools: SessionTools;
  readonly #common: Omit<Call, 'verb' | 'args' | 'explainHang'>;

  constructor(tools: SessionTools, workspace: Workspace, lock: Lock, options: SessionOptions) {
    const { providerKey, lockTimeoutMs = LOCK_TIMEOUT_MS, onEvent = () => {}, ownProvider = false } = options;
    this.workspace = workspace;
    this.#tools = tools;
    this.#common = { workspace, lock, providerKey, lockTimeoutMs, onEvent, ownProvider };
  }

  /** Works in another directory under the same lock: one that is made for a while, below the workspace. */
  aside(workspace: Workspace): TerraformSession {
    return new TerraformSession(this.#tools, workspace, this.#common.lock, this.#common);
  }

  async release(): Promise<void> {
    await this.#common.lock.release();
  }

  /**
   * @param options.save keep the plan for `apply` and `explain`, until the next one of this workspace is saved
   * @param options.replace addresses of resources that are to be replaced, whatever changes of them
   */
  plan(
    config: object,
    options: { readonly save?: boolean; readonly replace?: readonly string[] } = {},
  ): Promise<Plan> {
    return this.#with(config, async () => {
      const file = options.save ? await newPlanFile(this.workspace) : undefined;
      const replaced = (options.replace ?? []).map((address) => `-replace=${address}`);
      const out = file ? [`-out=${file}`] : [];
      const { messages } = await this.#run('plan', ['plan', ...FLAGS, this.#lockFlag, ...replaced, ...out]);
      return planFrom(messages, file);
    });
  }

  /**
   * @param options.plan apply exactly this saved plan; absent: plan and apply in one run, whatever it does
   * @throws Conflict (TransientError) if the state was changed or another plan saved after the plan was made
   */
  apply(
    config: object,
    { plan, explainHang }: { readonly plan?: Plan | undefined } & Pick<Call, 'explainHang'> = {},
  ): Promise<ApplyResult> {
    return this.#with(config, async () => {
      const what = plan === undefined ? ['-auto-approve'] : [await takePlanFile(plan)];
      try {
        const args = ['apply', ...FLAGS, this.#lockFlag, ...what];
        return applyResultFrom((await this.#run('apply', args, explainHang)).messages);
      } finally {
        // A plan can be applied only once, and it holds secrets.
        if (plan?.file !== undefined) await rm(plan.file, { force: true });
        await this.#keepState();
      }
    });
  }

  /**
   * Takes existing objects into an empty state. @param config has `import` blocks, and resources with nothing to change
   * @throws Terminal TerraformTooOld for one that knows no such blocks
   */
  async import(config: object): Promise<void> {
    requireImport(await this.#tools.binary());
    await this.apply(config);
  }

  /** Removes all that is in the state. @param config needs no more than the provider */
  destroy(config: object): Promise<ApplyResult> {
    return this.#with(config, async () => {
      if (!(await this.state())?.resources.length) return { changes: [], outputs: {} };
      const args = ['apply', '-destroy', ...FLAGS, this.#lockFlag, '-auto-approve'];
      try {
        // Looking at everything first takes longer than removing it.
        return applyResultFrom((await this.#run('destroy', [...args, '-refresh=false'])).messages);
      } catch (error) {
        if (!(error instanceof TerraformError)) throw error;
        // Killed, it has left its lock in the cluster, for which a second run would only wait. The next call has that released first.
        // And of a local state it may have written a part only, with which a second run would find nothing to remove.
        if (error.exitCode === null && (this.workspace.kubernetes || !(await this.#isWhole()))) throw error;
        // Part of it may be gone already, which only a look tells.
        return applyResultFrom((await this.#run('destroy', args)).messages);
      }
    });
  }

  /** The state as last saved. `undefined`: there is none. */
  state(): Promise<State | undefined> {
    return readState(this.workspace);
  }

  /** The state as it was saved, secrets and all; empty: there is none. */
  stateText(): Promise<string> {
    return readStateText(this.workspace);
  }

  /**
   * Puts `text` in place of the state, which stays in the history. Terraform refuses another lineage, and a serial that is
   * not above the one that is there: Terminal StateMismatch, once classified.
   * @param config needs no more than the backend
   */
  async pushState(config: object, text: string): Promise<void> {
    await this.#with(config, async () => {
      await this.#keepState();
      const file = join(this.workspace.dir, 'pushed.tfstate');
      try {
        await writeFile(file, text, { mode: 0o600 });
        await this.#run('state push', ['state', 'push', this.#lockFlag, file]);
      } finally {
        await rm(file, { force: true });
      }
      await this.#keepState();
    });
  }

  /**
   * Saves the state that an earlier run could not save, if there is one: a caller that reads the state before would not see all.
   * @param config needs no more than the backend
   */
  async saveErroredState(config: object): Promise<void> {
    if ((await readIfThere(paths.erroredState(this.workspace))) === undefined) return;
    await this.#with(config, async () => {});
  }

  /** What a saved plan holds of each resource, secrets and all. */
  async plannedValues(plan: Plan): Promise<PlannedValues[]> {
    return plannedValuesFrom(await this.#show(plan));
  }

  /** What a saved plan would change, attribute by attribute, secrets hidden. Costs a run (≈ 60 ms warm). */
  async explain(plan: Plan): Promise<Explanation[]> {
    return explanationsFrom(await this.#show(plan), this.#tools.secretAttributes);
  }

  get #lockFlag(): string {
    return `-lock-timeout=${this.#common.lockTimeoutMs}ms`;
  }

  #run(verb: string, args: readonly string[], explainHang?: Call['explainHang']) {
    return this.#tools.runner.run({ ...this.#common, verb, args, explainHang });
  }

  async #show(plan: Plan): Promise<string> {
    const args = ['show', '-json', '-no-color', await takePlanFile(plan)];
    return this.#tools.runner.read({ ...this.#common, verb: 'show', args });
  }

  /** Runs `work` with `config` in place, and with nothing left to save of an earlier run. */
  #with<T>(config: object, work: () => Promise<T>): Promise<T> {
    const whole = async () => {
      await writeConfig(this.workspace, config);
      await this.#pushErroredState();
      return work();
    };
    return this.#tools.track(whole());
  }

  /** True if there is a state, and it can be read. */
  async #isWhole(): Promise<boolean> {
    try {
      return (await this.state()) !== undefined;
    } catch (error) {
      if (error instanceof StateCorruptError) return false;
      throw error;
    }
  }

  /** Reports what cannot be kept, and does not fail a run that has changed things. */
  async #keepState(): Promise<void> {
    const { history, kubernetes } = this.workspace;
    if (!history) return;
    try {
      // Terraform leaves it to the system when the file reaches the disk.
      if (!kubernetes) await syncFile(paths.state(this.workspace));
      await history.keep(await this.stateText());
    } catch (error) {
      this.#common.onEvent({ type: 'state_not_kept', reason: messageOf(error) });
    }
  }

  /** A state that an earlier run could not save goes first: another run on the old one would fork the state. */
  async #pushErroredState(): Promise<void> {
    const path = paths.erroredState(this.workspace);
    if ((await readIfThere(path)) === undefined) return;
    try {
      await this.#run(`state push ${path}`, ['state', 'push', this.#lockFlag, path]);
    } catch (error) {
      const { history, kubernetes } = this.workspace;
      if (!kubernetes || !isStateMismatch(error)) throw error;
      // While this process could not save it, another has led and gone on: what that found and saved is what there is.
      await history?.keep(await readFile(path, 'utf8'));
      this.#common.onEvent({ type: 'state_superseded' });
    }
    await rm(path);
    await this.#keepState();
  }
}

const FLAGS = ['-json', '-input=false', '-no-color'];
