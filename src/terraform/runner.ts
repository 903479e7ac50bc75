import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TransientError } from '../errors.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { Lock } from '../system/file-lock.ts';
import type { LockHolder } from '../system/lock-holder.ts';
import { traced, tracedSince } from '../telemetry/spans.ts';
import { type RunLimits, RunSlots } from './concurrency.ts';
import { appliedChanges } from './format/apply-result.ts';
import { holderFromLockInfo } from './format/lock-info.ts';
import { initLock, lockProvider, needsInit } from './init.ts';
import type { TerraformBinary } from './install/terraform.ts';
import { ForkedProvider } from './provider/forked.ts';
import { lostProvider } from './provider/loss.ts';
import type { ProviderPool } from './provider/pool.ts';
import type { ProviderProcess } from './provider/process.ts';
import { CONNECTED, Watchdog } from './provider/watchdog.ts';
import { type Environment, terraformEnvironment } from './run/environment.ts';
import { CONFINED, type RunOutcome, type RunRequest, run } from './run/process.ts';
import { failureOf, TerraformError } from './run/terraform-error.ts';
import { type RunEvent, RunEvents } from './run-events.ts';
import { paths, type Workspace } from './workspace.ts';

/** One use of terraform in a workspace that is locked and has its configuration. */
export interface Call {
  readonly workspace: Workspace;
  readonly lock: Lock;
  /** For messages, for example `plan`. */
  readonly verb: string;
  readonly args: readonly string[];
  readonly providerKey: AllowedHost;
  /** How long terraform may wait for its state lock. */
  readonly lockTimeoutMs: number;
  readonly onEvent: (event: RunEvent) => void;
  /**
   * Asked why the provider did not come to an end with a resource, by its address, once it has been ended. What it returns is
   * thrown instead of another try.
   */
  readonly explainHang?: ((address: string) => Promise<Error | undefined>) | undefined;
  /**
   * For what takes as long as a server likes, as a transfer does: a warm provider of its own, which ends with the run, and a turn among
   * its like. Provider 0.8.3 makes nothing else in a pool while it uploads a volume there.
   */
  readonly ownProvider: boolean;
}

export interface RunnerOptions {
  /** Found when the first run needs it. */
  readonly binary: () => Promise<TerraformBinary>;
  /** Warm: a provider process for each key serves all runs. Fork: Terraform starts its own for each run. */
  readonly providerMode: 'warm' | 'fork';
  readonly providers: ProviderPool;
  readonly limits: RunLimits;
  /**
   * Fork mode: directory in filesystem mirror layout to take providers from. Absent: as Terraform's CLI configuration
   * says.
   */
  readonly pluginDir?: string;
  /**
   * How long the provider may take to connect to libvirt, or to read one resource, before it counts as hung and is ended.
   * Default 20 s.
   */
  readonly providerTimeoutMs?: number;
  /** How long it may make a volume without any input or output until then. Default one minute. */
  readonly providerStallMs?: number;
  /** How long it may take to remove one resource until then. Default five minutes. */
  readonly providerDeleteMs?: number;
  /** Called before terraform is started; what it throws is thrown instead. */
  readonly mayRun?: (() => void) | undefined;
  /** Told of each run that has ended, for metrics. */
  readonly onRun?: (run: EndedRun) => void;
}

export interface EndedRun {
  /** For example `plan`. */
  readonly verb: string;
  /** Killed: a signal ended terraform. */
  readonly outcome: 'success' | 'failure' | 'killed';
  readonly seconds: number;
}

interface WatchedOutcome {
  readonly outcome: RunOutcome;
  /** What the provider was about when it no longer answered, and was ended. */
  readonly hungAt: string | undefined;
}

/** Brings terraform, provider and workspace together; starts again what failed only because the provider was lost. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly slots: RunSlots;
  readonly #transfers = new RunSlots(TRANSFERS);

  constructor(options: RunnerOptions) {
    this.#options = options;
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
        await this.#initIfNeeded(call, host);
        return { host, wasConnected, ...(await this.#once(call, host)) };
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

  /**
   * What a command that changes nothing prints. It stays in memory: this is where states and plans come through.
   * @throws TerraformError
   */
  async read(
    call: Pick<Call, 'workspace' | 'verb' | 'args'> & { readonly providerKey?: AllowedHost },
  ): Promise<string> {
    const host = call.providerKey === undefined ? undefined : await this.#host(call.providerKey);
    const env = this.#environment(call.workspace, host);
    // Not loaded by who only looks at libvirt.
    const { execa } = await import('execa');
    const result = await execa(
      '/bin/sh',
      ['-c', CONFINED, (await this.#options.binary()).path, ...call.args],
      {
        cwd: call.workspace.dir,
        env,
        extendEnv: false,
        stdin: 'ignore',
        reject: false,
        maxBuffer: Number.POSITIVE_INFINITY,
        forceKillAfterDelay: false,
      },
    );
    if (result.exitCode === 0) return result.stdout;
    const outcome = { exitCode: result.exitCode ?? null, messages: [], text: result.stderr.split('\n') };
    throw new TerraformError(call.verb, outcome);
  }

  async #host(key: string): Promise<ProviderProcess | undefined> {
    return this.#options.providerMode === 'warm' ? this.#options.providers.get(key) : undefined;
  }

  async #once(call: Call, host: ProviderProcess | undefined): Promise<WatchedOutcome> {
    const entry = await host?.enter();
    const events = new RunEvents();
    let terraform: number | undefined;
    let hungAt: string | undefined;
    const provider = host ?? new ForkedProvider(() => terraform);
    const watchdog = new Watchdog({
      limitMs: this.#options.providerTimeoutMs ?? PROVIDER_TIMEOUT_MS,
      applies: call.verb !== 'plan',
      lockTimeoutMs: call.lockTimeoutMs,
      stallMs: this.#options.providerStallMs ?? PROVIDER_STALL_MS,
      deleteMs: this.#options.providerDeleteMs ?? PROVIDER_DELETE_MS,
      activity: () => provider.activity,
      onHung: (what) => {
        hungAt = what;
        provider.kill();
      },
    });
    try {
      const request = await this.#request(call, this.#environment(call.workspace, host));
      const outcome = await traced(`terraform ${call.verb}`, {}, () =>
        this.#run(call.verb, {
          ...request,
          onStart: (pid) => {
            terraform = pid;
            return request.onStart(pid);
          },
          ...(host && { lifeline: host.lifeline }),
          args: call.args,
          onMessage: (message) => {
            watchdog.see(message);
            if (CONNECTED.has(message.type)) entry?.configured();
            if (message.type === 'state_lock_acquire') void announceStateLock(call);
            const event = events.from(message);
            if (event !== undefined) call.onEvent(event);
            if (event?.type === 'completed' || event?.type === 'failed') {
              tracedSince(`${event.action} ${event.address}`, event.elapsedMs);
            }
          },
        }),
      );
      return { outcome, hungAt };
    } finally {
      watchdog.stop();
      entry?.leave();
    }
  }

  async #initIfNeeded(call: Omit<Call, 'args'>, host: ProviderProcess | undefined): Promise<void> {
    if (!(await needsInit(call.workspace, host))) return;
    const lock = await Lock.acquire(await initLock(call.workspace), {
      operation: 'init',
      timeoutMs: INIT_WAIT_MS,
      onWaiting: (holder) => call.onEvent({ type: 'waiting', holder }),
    });
    try {
      if (!(await needsInit(call.workspace, host))) return;
      call.onEvent({ type: 'initializing' });
      // In the machine's own workspace, of which the Secret exists by now: `init` would make the Secret of any other.
      const env = this.#environment(call.workspace, host);
      const { pluginDir } = this.#options;
      const locked = host === undefined ? await lockProvider(call.workspace) : [];
      const from = pluginDir ? [`-plugin-dir=${pluginDir}`] : [];
      const args = ['init', '-input=false', '-no-color', ...from, ...locked];
      const outcome = await this.#run('init', {
        ...(await this.#request(call, env)),
        ...(host && { lifeline: host.lifeline }),
        args,
        // Should we be killed, it goes on to write what other workspaces share.
        onStart: async (pid) => {
          await Promise.all([call.lock.extendTo(pid), lock.extendTo(pid)]);
        },
      });
      if (outcome.exitCode !== 0) throw failureOf('init', outcome);
    } finally {
      await lock.release();
    }
  }

  async #run(verb: string, request: RunRequest): Promise<RunOutcome> {
    // Last of all: it may have waited for its turn, for a lock and for the provider.
    this.#options.mayRun?.();
    const started = performance.now();
    const ended = await run(request);
    const outcome = ended.exitCode === null ? 'killed' : ended.exitCode === 0 ? 'success' : 'failure';
    this.#options.onRun?.({ verb, outcome, seconds: (performance.now() - started) / 1_000 });
    return ended;
  }

  async #request(call: Omit<Call, 'args'>, env: Environment) {
    return {
      command: (await this.#options.binary()).path,
      cwd: call.workspace.dir,
      env,
      output: paths.output(call.workspace),
      onStart: (pid: number) => call.lock.extendTo(pid),
    };
  }

  #environment({ kubernetes }: Workspace, host: ProviderProcess | undefined): Record<string, string> {
    return terraformEnvironment({
      ...(host && { TF_REATTACH_PROVIDERS: host.reattach }),
      ...(kubernetes && {
        ...kubernetes.env,
        TF_DATA_DIR: kubernetes.dataDir,
        TF_WORKSPACE: kubernetes.workspace,
      }),
    });
  }
}

function isConflict(error: Error): boolean {
  return error instanceof TransientError && error.code === 'Conflict';
}

/** Beside all others. A transfer costs memory (60 MiB for terraform, 30 for its provider), and little else. */
const TRANSFERS: RunLimits = { total: 16, perKey: 4, leavesLast: true };

/** Time for an answer that takes milliseconds, or a second on a slow link. */
const PROVIDER_TIMEOUT_MS = 20_000;

/** A server of images may pause. */
const PROVIDER_STALL_MS = 60_000;

/** Libvirt waits at most 40 s for a QEMU to end; the rest is for storage that is slow. */
const PROVIDER_DELETE_MS = 300_000;

/** Who hangs twice at the same hangs for a reason. */
const MAX_HANGS = 1;

/** One loss of the provider may follow the other: many runs share it. */
const MAX_RETRIES = 3;

/** An `init` from a registry downloads 10 MB. */
const INIT_WAIT_MS = 120_000;

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

/** Terraform itself says only that it waits; who holds the lock stands in a file beside a local state, or in a Lease. */
async function announceStateLock({ workspace, onEvent }: Call): Promise<void> {
  onEvent({ type: 'waiting', holder: await stateLockHolder(workspace) });
}

async function stateLockHolder({ dir, kubernetes }: Workspace): Promise<LockHolder> {
  const file = join(dir, '.terraform.tfstate.lock.info');
  const read = kubernetes ? kubernetes.readLock() : readFile(file, 'utf8');
  return holderFromLockInfo(await read.catch(() => ''));
}
