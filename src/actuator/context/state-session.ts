/** What a verb does to one state: the lock of it, the place where it lies, and Terraform to run there, opened once and handed down. */

import { emptyStack } from '../../../stacks/empty-stack.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { TerraformSession } from '../../terraform/session.ts';
import { classify } from './classify-error.ts';
import type { ActuatorEvent, ActuatorOptions } from './options.ts';
import type { StateHandle } from './state-home.ts';

export interface SessionRequest {
  /** As shown to those who wait. */
  readonly operation: string;
  readonly onEvent?: ((event: ActuatorEvent) => void) | undefined;
  /** How long to wait for the lock of the state. Default 60 s. */
  readonly lockTimeoutMs?: number | undefined;
  /** How long terraform may wait, once the lock is there, for one of elsewhere. Default 60 s. */
  readonly runTimeoutMs?: number | undefined;
  /** See `Call`. */
  readonly ownProvider?: boolean | undefined;
  /** Mostly nothing was ever made there. */
  readonly isNew?: boolean | undefined;
  /** Certainly nothing was ever made there. */
  readonly isFirst?: boolean | undefined;
  /** Runs all of it, once the lock of the state is there. Default: as it is. */
  readonly around?: (<T>(run: () => Promise<T>) => Promise<T>) | undefined;
}

export class StateSession {
  readonly uri: AllowedHost;
  readonly home: StateHandle;
  readonly terraform: TerraformSession;
  readonly onEvent: (event: ActuatorEvent) => void;
  readonly #cleanups: (() => Promise<void>)[] = [];

  constructor(
    uri: AllowedHost,
    home: StateHandle,
    terraform: TerraformSession,
    { onEvent = () => {} }: Pick<SessionRequest, 'onEvent'>,
  ) {
    this.uri = uri;
    this.home = home;
    this.terraform = terraform;
    this.onEvent = onEvent;
  }

  /** Has `cleanup` run before the lock is released, whatever becomes of the work. */
  defer(cleanup: () => Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /** Runs what was deferred. */
  async end(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0)) await cleanup();
  }

  /** See `TerraformSession.pushState`. */
  async pushState(text: string): Promise<void> {
    await this.terraform.pushState(this.#empty, text);
  }

  /** See `TerraformSession.saveErroredState`. */
  async saveErroredState(): Promise<void> {
    await this.terraform.saveErroredState(this.#empty);
  }

  /** Removes all that is in the state: that needs no image, no user data, nothing that may be gone by now. */
  async destroy(): Promise<void> {
    await this.terraform.destroy(this.#empty);
  }

  get #empty(): object {
    return emptyStack(this.uri, this.home.backend);
  }
}

/**
 * Runs `work` under the lock of a state, also between processes, with its place made ready. What terraform and libvirt fail of leaves
 * as TransientError or TerminalError; also throws StateLockedError (TransientError).
 */
export async function withState<T>(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  uri: AllowedHost,
  home: StateHandle,
  request: SessionRequest,
  work: (session: StateSession) => Promise<T>,
): Promise<T> {
  const { operation, lockTimeoutMs, runTimeoutMs, onEvent, ownProvider, isNew, isFirst } = request;
  const { around = (run) => run() } = request;
  try {
    const lock = await terraform.lock(home.workspace, { operation, lockTimeoutMs, onEvent });
    const runs = { providerKey: uri, lockTimeoutMs: runTimeoutMs, onEvent, ownProvider };
    const session = new StateSession(uri, home, terraform.session(home.workspace, lock, runs), request);
    try {
      return await around(async () => {
        await home.prepare({ lockTimeoutMs, onEvent, isNew, isFirst });
        return work(session);
      });
    } finally {
      home.release();
      await session.end().finally(() => lock.release());
    }
  } catch (error) {
    throw classify(error);
  }
}
