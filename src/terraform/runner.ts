/** Runs Terraform, and runs it again where only its provider was lost. */

import { TransientError } from '../errors.ts';
import type { Call } from './call.ts';
import { type RunLimits, RunSlots } from './concurrency.ts';
import { appliedChanges } from './format/apply-result.ts';
import { initIfNeeded } from './init.ts';
import { Launcher, type LauncherOptions } from './launcher.ts';
import { lostProvider } from './provider/loss.ts';
import type { ProviderPool } from './provider/pool.ts';
import type { ProviderProcess } from './provider/process.ts';
import type { RunOutcome } from './run/process.ts';
import { failureOf } from './run/terraform-error.ts';
import { type ProviderPatience, watchedRun } from './watched-run.ts';

export interface RunnerOptions extends LauncherOptions, ProviderPatience {
  /** Warm: a provider process for each key serves all runs. Fork: Terraform starts its own for each run. */
  readonly providerMode: 'warm' | 'fork';
  readonly providers: ProviderPool;
  readonly limits: RunLimits;
  /**
   * Fork mode: directory in filesystem mirror layout to take providers from. Absent: as Terraform's CLI configuration
   * says.
   */
  readonly pluginDir?: string;
}

/** Beside all others. A transfer costs memory (60 MiB for terraform, 30 for its provider), and little else. */
const TRANSFERS: RunLimits = { total: 16, perKey: 4, leavesLast: true };

/** Who hangs twice at the same hangs for a reason. */
const MAX_HANGS = 1;

/** One loss of the provider may follow the other: many runs share it. */
const MAX_RETRIES = 3;

/** Brings terraform, provider and workspace together; starts again what failed only because the provider was lost. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #launcher: Launcher;
  readonly slots: RunSlots;
  readonly #transfers = new RunSlots(TRANSFERS);

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#launcher = new Launcher(options);
    this.slots = new RunSlots(options.limits);
  }

  /**
   * @throws TerraformError
   * @throws StateLockedError, Conflict, LibvirtError (TransientError) for a provider that hung, and what the call has to say of that
   */
  async run(call: Call): Promise<RunOutcome> {
    if (!call.ownProvider) return this.#withRetries(call, call.providerKey, this.slots);
    const own = `${call.providerKey} for ${call.workspace.dir}`;
    try {
      return await this.#withRetries(call, own, this.#transfers);
    } finally {
      await this.#options.providers.release(own);
    }
  }

  /** `provider`: the key of its process. */
  async #withRetries(call: Call, provider: string, slots: RunSlots): Promise<RunOutcome> {
    let before: Error | undefined;
    for (let retries = 0; ; retries++) {
      const attempt = async () => {
        const host = await this.#host(provider);
        const wasConnected = host?.connected ?? false;
        await initIfNeeded(this.#launcher, this.#options.pluginDir, call, host);
        return { host, wasConnected, ...(await watchedRun(this.#launcher, this.#options, call, host)) };
      };
      const { host, wasConnected, outcome, hungAt } = await slots.within(
        call.providerKey,
        call.verb,
        attempt,
      );
      if (outcome.exitCode === 0) return outcome;
      const lost = host && lostProvider(host, wasConnected, outcome);
      if (lost !== undefined) await this.#options.providers.restart(provider, host);
      const explained = hungAt === undefined ? undefined : await call.explainHang?.(hungAt);
      if (explained !== undefined) throw explained;
      const reason = hungAt === undefined ? lost : `the provider did not come to an end with ${hungAt}`;
      const limit = hungAt === undefined ? MAX_RETRIES : MAX_HANGS;
      const failure =
        hungAt === undefined ? failureOf(call.verb, outcome) : providerHung(call, hungAt, outcome);
      // The run before has written down what it half made, so that its plan is stale: why it failed is what there is to say.
      if (before && isConflict(failure)) throw before;
      if (reason === undefined || retries >= limit || appliedChanges(outcome.messages).length > 0)
        throw failure;
      before = failure;
      call.onEvent({ type: 'retrying', reason });
    }
  }

  /** See `Launcher.read`. */
  async read(call: Pick<Call, 'workspace' | 'verb' | 'args' | 'providerKey'>): Promise<string> {
    return this.#launcher.read(call, await this.#host(call.providerKey));
  }

  async #host(key: string): Promise<ProviderProcess | undefined> {
    return this.#options.providerMode === 'warm' ? this.#options.providers.get(key) : undefined;
  }
}

function isConflict(error: Error): boolean {
  return error instanceof TransientError && error.code === 'Conflict';
}

/** Not what Terraform says, which knows no more than that its provider was killed. */
function providerHung({ verb }: Call, what: string, outcome: RunOutcome): TransientError {
  return new TransientError({
    code: 'LibvirtError',
    message: `terraform ${verb} failed: the provider did not come to an end with ${what}, and was ended; the state has all that was done before`,
    fix: 'see whether libvirt answers on that host: virsh -c URI list --all; if it hangs, restart libvirtd there, which leaves guests alone',
    retryAfterMs: 15_000,
    cause: failureOf(verb, outcome),
  });
}
