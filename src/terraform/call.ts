/** Declares what one call of Terraform takes from its caller. */

import type { AllowedHost } from '../system/allowed-host.ts';
import type { Lock } from '../system/file-lock.ts';
import type { RunEvent } from './run-events.ts';
import type { Workspace } from './workspace.ts';

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
