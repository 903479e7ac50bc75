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
import { type ProviderPatience, type WatchedOutcome, watchedRun } from './watched-run.ts';

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

interface Attempt extends WatchedOutcome {
  readonly host: ProviderProcess | undefined;
  /** The provider had its connection to libvirt before. */
  readonly wasConnected: boolean;
}

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
    const { ownProvider, providerKey, verb } = call;
    const { kubernetes } = call.workspace;
    kubernetes?.forgetState();
    const slots = ownProvider ? this.#transfers : this.slots;
    const provider = ownProvider ? `${providerKey} for ${call.workspace.dir}` : providerKey;
    let before: Error | undefined;
    try {
      for (let retries = 0; ; retries++) {
        let attempt: Attempt;
        const leave = await slots.enter(providerKey, verb);
        try {
          const host = await this.#host(provider);
          const wasConnected = host?.connected ?? false;
          await initIfNeeded(this.#launcher, this.#options.pluginDir, call, host);
          attempt = { host, wasConnected, ...(await watchedRun(this.#launcher, this.#options, call, host)) };
        } finally {
          leave();
        }
        if (attempt.outcome.exitCode === 0) return attempt.outcome;
        const { failure, reason } = await this.#failed(call, provider, attempt, retries);
        // The run before has written down what it half made, so that its plan is stale: why it failed is what there is to say.
        if (before && isConflict(failure)) throw before;
        if (reason === undefined) throw failure;
        before = failure;
        call.onEvent({ type: 'retrying', reason });
      }
    } finally {
      kubernetes?.forgetState();
      if (ownProvider) await this.#options.providers.release(provider);
    }
  }

  /** What a run failed of, and why it is to be tried again, if it is. A provider that was lost is started again. */
  async #failed(
    call: Call,
    provider: string,
    { host, wasConnected, outcome, hungAt }: Attempt,
    retries: number,
  ): Promise<{ readonly failure: Error; readonly reason: string | undefined }> {
    const lost = host && lostProvider(host, wasConnected, outcome);
    if (lost !== undefined) await this.#options.providers.restart(provider, host);
    const hasChanged = appliedChanges(outcome.messages).length > 0;
    if (hungAt === undefined) {
      const mayRetry = retries < MAX_RETRIES && !hasChanged;
      return { failure: failureOf(call.verb, outcome), reason: mayRetry ? lost : undefined };
    }
    const explained = await call.explainHang?.(hungAt);
    if (explained !== undefined) throw explained;
    const mayRetry = retries < MAX_HANGS && !hasChanged;
    const reason = mayRetry ? `the provider did not come to an end with ${hungAt}` : undefined;
    return { failure: providerHung(call, hungAt, outcome), reason };
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
