/** Translates Terraform's messages into the progress of a run. */

import type { LockHolder } from '../system/lock-holder.ts';
import type { Diagnostic, Message } from './format/messages.ts';
import type { ChangeAction } from './format/resource-change.ts';

/** Progress of a run, for whoever watches. Holds no values of attributes. */
export type RunEvent =
  /** Someone else works in this workspace. */
  | { readonly type: 'waiting'; readonly holder: LockHolder }
  | { readonly type: 'initializing' }
  /** The provider had lost libvirt or died; the run starts again with a new one. */
  | { readonly type: 'retrying'; readonly reason: string }
  | { readonly type: 'started'; readonly address: string; readonly action: ChangeAction }
  | {
      readonly type: 'progress' | 'completed' | 'failed';
      readonly address: string;
      readonly action: ChangeAction;
      readonly elapsedMs: number;
    }
  | { readonly type: 'warning'; readonly diagnostic: Diagnostic }
  /** The run is done; its state is not in the history. */
  | { readonly type: 'state_not_kept'; readonly reason: string }
  /** A state that an earlier run could not save is older than what there is by now; it went into the history. */
  | { readonly type: 'state_superseded' };

/** Translates one run's messages; keeps when each change began, since Terraform itself counts whole seconds. */
export class RunEvents {
  readonly #started = new Map<string, number>();

  from(message: Message): RunEvent | undefined {
    switch (message.type) {
      case 'apply_start': {
        const { address, action } = message.change;
        this.#started.set(address, message.at);
        return { type: 'started', address, action };
      }
      case 'apply_progress':
      case 'apply_complete':
      case 'apply_errored': {
        const { address, action } = message.change;
        const elapsedMs = message.at - (this.#started.get(address) ?? message.at);
        return { type: EVENT[message.type], address, action, elapsedMs };
      }
      case 'diagnostic':
        return message.diagnostic.severity === 'warning'
          ? { type: 'warning', diagnostic: message.diagnostic }
          : undefined;
      default:
        return undefined;
    }
  }
}

const EVENT = { apply_progress: 'progress', apply_complete: 'completed', apply_errored: 'failed' } as const;
