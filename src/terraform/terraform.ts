import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { syncFile } from '../system/atomic-file.ts';
import { LOCK_TIMEOUT_MS, Lock } from '../system/file-lock.ts';
import { makePrivateDir, readIfThere } from '../system/private-files.ts';
import { traced } from '../telemetry/spans.ts';
import type { RunSlots } from './concurrency.ts';
import { type ApplyResult, applyResultFrom } from './format/apply-result.ts';
import { type Explanation, explanationsFrom } from './format/explanation.ts';
import { type Plan, planFrom } from './format/plan.ts';
import { type PlannedValues, plannedValuesFrom } from './format/planned-values.ts';
import { parseState, type State, StateCorruptError } from './format/state.ts';
import { requireImport, type TerraformBinary } from './install/terraform.ts';
import { newPlanFile, takePlanFile } from './plan-file.ts';
import type { ProviderPool } from './provider/pool.ts';
import { isStateMismatch, TerraformError } from './run/terraform-error.ts';
import type { RunEvent } from './run-events.ts';
import { type Call, Runner, type RunnerOptions } from './runner.ts';
import { paths, type Workspace, writeConfig } from './workspace.ts';
import { readStateFile } from './workspace-state.ts';

export interface TerraformOptions extends RunnerOptions {
  /** Attributes that are secret although the provider's schema does not say so: `<type>.<attribute>`. */
  readonly secretAttributes?: readonly string[];
}

export interface RunOptions {
  /** Which provider process serves the run: the libvirt URI. */
  readonly providerKey: AllowedHost;
  /** How long to wait for others who work in this workspace or on this state. Default 60 s. */
  readonly lockTimeoutMs?: number;
  /** Held by the caller, to do several things without anyone in between: see `lock`. */
  readonly lock?: Lock;
  readonly onEvent?: (event: RunEvent) => void;
  /** See `Call`. */
  readonly explainHang?: Call['explainHang'];
  /** See `Call`. */
  readonly ownProvider?: boolean;
}

/**
 * Terraform (or OpenTofu) over workspaces. Every method throws TerraformError for a run that failed, StateLockedError (TransientError)
 * if others held the lock for too long, and Terminal StateDirNotWritable. A run that has begun is never interrupted.
 */
export class Terraform {
  readonly #runner: Runner;
  readonly #binary: () => Promise<TerraformBinary>;
  readonly #providers: ProviderPool;
  readonly #secretAttributes: ReadonlySet<string>;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: TerraformOptions) {
    this.#runner = new Runner(options);
    this.#binary = options.binary;
    this.#providers = options.providers;
    this.#secretAttributes = new Set(options.secretAttributes);
  }

  get slots(): Pick<RunSlots, 'limits' | 'use'> {
    return this.#runner.slots;
  }

  /** Keeps others out of the workspace until it is released. Give it to the calls that belong together. */
  async lock(
    workspace: Workspace,
    options: Pick<RunOptions, 'lockTimeoutMs' | 'onEvent'> & {
      /** As shown to those who wait. */ operation: string;
    },
  ): Promise<Lock> {
    await makePrivateDir(workspace.dir);
    return traced('lock', { operation: options.operation }, () =>
      Lock.acquire(paths.lock(workspace), {
        operation: options.operation,
        timeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
        onWaiting: (holder) => options.onEvent?.({ type: 'waiting', holder }),
      }),
    );
  }

  /**
   * @param options.save keep the plan for `apply` and `explain`, until the next one of this workspace is saved
   * @param options.replace addresses of resources that are to be replaced, whatever changes of them
   */
  async plan(
    workspace: Workspace,
    config: object,
    options: RunOptions & { readonly save?: boolean; readonly replace?: readonly string[] },
  ): Promise<Plan> {
    return this.#locked('plan', workspace, config, options, async (call) => {
      const file = options.save ? await newPlanFile(workspace) : undefined;
      const replaced = (options.replace ?? []).map((address) => `-replace=${address}`);
      const outcome = await this.#runner.run({
        ...call,
        args: ['plan', ...FLAGS, ...lockFlags(options), ...replaced, ...(file ? [`-out=${file}`] : [])],
      });
      return planFrom(outcome.messages, file);
    });
  }

  /**
   * @param options.plan apply exactly this saved plan; absent: plan and apply in one run, whatever it does
   * @throws Conflict (TransientError) if the state was changed or another plan saved after the plan was made
   */
  async apply(
    workspace: Workspace,
    config: object,
    options: RunOptions & { readonly plan?: Plan },
  ): Promise<ApplyResult> {
    return this.#locked('apply', workspace, config, options, async (call) => {
      const what = options.plan === undefined ? ['-auto-approve'] : [await takePlanFile(options.plan)];
      try {
        const outcome = await this.#runner.run({
          ...call,
          args: ['apply', ...FLAGS, ...lockFlags(options), ...what],
        });
        return applyResultFrom(outcome.messages);
      } finally {
        // A plan can be applied only once, and it holds secrets.
        if (options.plan?.file !== undefined) await rm(options.plan.file, { force: true });
        await this.#keepState(call);
      }
    });
  }

  /**
   * Takes existing objects into an empty state. @param config has `import` blocks, and resources with nothing to change
   * @throws Terminal TerraformTooOld for one that knows no such blocks
   */
  async import(workspace: Workspace, config: object, options: RunOptions): Promise<void> {
    requireImport(await this.#binary());
    await this.apply(workspace, config, options);
  }

  /** Removes all that is in the state. @param config needs no more than the provider */
  async destroy(workspace: Workspace, config: object, options: RunOptions): Promise<ApplyResult> {
    return this.#locked('destroy', workspace, config, options, async (call) => {
      if (!(await this.state(workspace))?.resources.length) return { changes: [], outputs: {} };
      const args = ['apply', '-destroy', ...FLAGS, ...lockFlags(options), '-auto-approve'];
      try {
        // Looking at everything first takes longer than removing it.
        return applyResultFrom(
          (await this.#runner.run({ ...call, args: [...args, '-refresh=false'] })).messages,
        );
      } catch (error) {
        if (!(error instanceof TerraformError)) throw error;
        // Killed, it has left its lock in the cluster, for which a second run would only wait. The next call has that released first.
        // And of a local state it may have written a part only, with which a second run would find nothing to remove.
        if (error.exitCode === null && (workspace.kubernetes || !(await this.#isWhole(workspace))))
          throw error;
        // Part of it may be gone already, which only a look tells.
        return applyResultFrom((await this.#runner.run({ ...call, args })).messages);
      }
    });
  }

  /** True if there is a state, and it can be read. */
  async #isWhole(workspace: Workspace): Promise<boolean> {
    try {
      return (await this.state(workspace)) !== undefined;
    } catch (error) {
      if (error instanceof StateCorruptError) return false;
      throw error;
    }
  }

  /** The state as last saved; a run in progress may be ahead of it. `undefined`: there is none. */
  async state(workspace: Workspace): Promise<State | undefined> {
    const place = workspace.kubernetes?.place ?? paths.state(workspace);
    return parseState(await this.stateText(workspace), place);
  }

  /** The state as it was saved, secrets and all; empty: there is none. */
  async stateText({ kubernetes, ...workspace }: Workspace): Promise<string> {
    return kubernetes ? kubernetes.readState() : readStateFile(paths.state(workspace));
  }

  /**
   * Puts `text` in place of the state, which stays in the history. Terraform refuses another lineage, and a serial that is
   * not above the one that is there: Terminal StateMismatch, once classified.
   * @param config needs no more than the backend
   */
  async pushState(workspace: Workspace, config: object, text: string, options: RunOptions): Promise<void> {
    return this.#locked('state push', workspace, config, options, async (call) => {
      await this.#keepState(call);
      const file = join(workspace.dir, 'pushed.tfstate');
      try {
        await writeFile(file, text, { mode: 0o600 });
        await this.#runner.run({ ...call, args: ['state', 'push', ...lockFlags(options), file] });
      } finally {
        await rm(file, { force: true });
      }
      await this.#keepState(call);
    });
  }

  /**
   * Saves the state that an earlier run could not save, if there is one: whoever looks at the state before would not see all.
   * @param config needs no more than the backend
   */
  async saveErroredState(workspace: Workspace, config: object, options: RunOptions): Promise<void> {
    if ((await readIfThere(paths.erroredState(workspace))) === undefined) return;
    await this.#locked('state push', workspace, config, options, async () => {});
  }

  /** What a saved plan holds of each resource, secrets and all. */
  async plannedValues(
    workspace: Workspace,
    plan: Plan,
    options: Pick<RunOptions, 'providerKey'>,
  ): Promise<PlannedValues[]> {
    return plannedValuesFrom(await this.#show(workspace, plan, options));
  }

  /** What a saved plan would change, attribute by attribute, secrets hidden. Costs a run (≈ 60 ms warm). */
  async explain(
    workspace: Workspace,
    plan: Plan,
    options: Pick<RunOptions, 'providerKey'>,
  ): Promise<Explanation[]> {
    return explanationsFrom(await this.#show(workspace, plan, options), this.#secretAttributes);
  }

  /** The next run of this key gets a new provider process; runs in progress keep theirs. For whoever sees libvirt restart. */
  async restartProvider(providerKey: AllowedHost): Promise<void> {
    await this.#providers.restart(providerKey);
  }

  /** Waits for the runs in progress, then stops the providers. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
    await this.#providers.close();
  }

  async #show(
    workspace: Workspace,
    plan: Plan,
    { providerKey }: Pick<RunOptions, 'providerKey'>,
  ): Promise<string> {
    const args = ['show', '-json', '-no-color', await takePlanFile(plan)];
    return this.#runner.read({ workspace, verb: 'show', args, providerKey });
  }

  /** What cannot be kept does not make a run fail that has changed things: it is told. */
  async #keepState({ workspace, onEvent }: Pick<Call, 'workspace' | 'onEvent'>): Promise<void> {
    if (!workspace.history) return;
    try {
      // Terraform leaves it to the system when the file reaches the disk.
      if (!workspace.kubernetes) await syncFile(paths.state(workspace));
      await workspace.history.keep(await this.stateText(workspace));
    } catch (error) {
      onEvent({ type: 'state_not_kept', reason: messageOf(error) });
    }
  }

  #locked<T>(
    verb: string,
    workspace: Workspace,
    config: object,
    options: RunOptions,
    work: (call: Omit<Call, 'args'>) => Promise<T>,
  ): Promise<T> {
    const {
      providerKey,
      lockTimeoutMs = LOCK_TIMEOUT_MS,
      onEvent = () => {},
      explainHang,
      ownProvider = false,
    } = options;
    const whole = async () => {
      const lock = options.lock ?? (await this.lock(workspace, { ...options, operation: verb }));
      try {
        const call = { workspace, lock, verb, providerKey, lockTimeoutMs, onEvent, explainHang, ownProvider };
        await writeConfig(workspace, config);
        await this.#pushErroredState(call);
        return await work(call);
      } finally {
        if (options.lock === undefined) await lock.release();
      }
    };
    const running = whole();
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  /** A state that an earlier run could not save goes first: another run on the old one would fork the state. */
  async #pushErroredState(call: Omit<Call, 'args'>): Promise<void> {
    const path = paths.erroredState(call.workspace);
    if ((await readIfThere(path)) === undefined) return;
    const args = ['state', 'push', ...lockFlags(call), path];
    try {
      await this.#runner.run({ ...call, verb: `state push ${path}`, args });
    } catch (error) {
      const { history, kubernetes } = call.workspace;
      if (!kubernetes || !isStateMismatch(error)) throw error;
      // While this process could not save it, another has led and gone on: what that found and saved is what there is.
      await history?.keep(await readFile(path, 'utf8'));
      call.onEvent({ type: 'state_superseded' });
    }
    await rm(path);
    await this.#keepState(call);
  }
}

const FLAGS = ['-json', '-input=false', '-no-color'];

function lockFlags({ lockTimeoutMs = LOCK_TIMEOUT_MS }: Pick<RunOptions, 'lockTimeoutMs'>): string[] {
  return [`-lock-timeout=${lockTimeoutMs}ms`];
}
