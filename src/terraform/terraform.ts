/** Opens sessions on workspaces, and reads their states. */

import type { AllowedHost } from '../system/allowed-host.ts';
import { LOCK_TIMEOUT_MS, Lock } from '../system/file-lock.ts';
import { makePrivateDir } from '../system/private-files.ts';
import { traced } from '../telemetry/spans.ts';
import type { RunSlots } from './concurrency.ts';
import type { State } from './format/state.ts';
import type { ProviderPool } from './provider/pool.ts';
import { Runner, type RunnerOptions } from './runner.ts';
import { type SessionOptions, type SessionTools, TerraformSession } from './session.ts';
import { ResourceReader } from './verify/resource-reader.ts';
import { PROVIDER_TIMEOUT_MS } from './watched-run.ts';
import { paths, type Workspace } from './workspace.ts';
import { readState, readStateText } from './workspace-state.ts';

export interface TerraformOptions extends RunnerOptions {
  /** Attributes that are secret although the provider's schema does not say so: `<type>.<attribute>`. */
  readonly secretAttributes?: readonly string[];
}

export interface LockOptions extends Pick<SessionOptions, 'lockTimeoutMs' | 'onEvent'> {
  /** As shown to those who wait. */
  readonly operation: string;
}

/** Terraform (or OpenTofu) over workspaces: a session for what runs in one, and what can be read without. */
export class Terraform {
  readonly #tools: SessionTools & { readonly runner: Runner };
  readonly #providers: ProviderPool;
  /** Reads what a state names, without a run. */
  readonly resources: ResourceReader;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: TerraformOptions) {
    this.#providers = options.providers;
    this.resources = new ResourceReader({
      ...options,
      timeoutMs: options.providerTimeoutMs ?? PROVIDER_TIMEOUT_MS,
    });
    this.#tools = {
      runner: new Runner(options),
      binary: options.binary,
      secretAttributes: new Set(options.secretAttributes),
      track: (running) => {
        this.#running.add(running);
        return running.finally(() => this.#running.delete(running));
      },
    };
  }

  get slots(): Pick<RunSlots, 'limits' | 'use'> {
    return this.#tools.runner.slots;
  }

  /**
   * Locks a workspace for all that is to be done in it; release what this returns. Throws StateLockedError (TransientError) if others
   * held the lock for too long, and Terminal StateDirNotWritable.
   */
  async open(workspace: Workspace, options: SessionOptions & LockOptions): Promise<TerraformSession> {
    return this.session(workspace, await this.lock(workspace, options), options);
  }

  /** The same for who has the lock already. */
  session(workspace: Workspace, lock: Lock, options: SessionOptions): TerraformSession {
    return new TerraformSession(this.#tools, workspace, lock, options);
  }

  /** Keeps others out of the workspace until it is released, for what needs no run. Throws as `open` does. */
  async lock(workspace: Workspace, options: LockOptions): Promise<Lock> {
    await makePrivateDir(workspace.dir);
    return traced('lock', { operation: options.operation }, () =>
      Lock.acquire(paths.lock(workspace), {
        operation: options.operation,
        timeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
        onWaiting: (holder) => options.onEvent?.({ type: 'waiting', holder }),
      }),
    );
  }

  /** The state as last saved; a run in progress may be ahead of it. `undefined`: there is none. */
  state(workspace: Workspace): Promise<State | undefined> {
    return readState(workspace);
  }

  /** The state as it was saved, secrets and all; empty: there is none. */
  stateText(workspace: Workspace): Promise<string> {
    return readStateText(workspace);
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
}
