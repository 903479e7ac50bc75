/** What a stack is made of, on a host that the policy allows. */

import type * as stacks from '../../stacks/intent.ts';
import type { CaplvError } from '../errors.ts';
import type { AllowedHost } from '../system/allowed-host.ts';

export interface MachineIntent extends stacks.MachineIntent {
  readonly uri: AllowedHost;
}

export interface HostIntent extends stacks.HostIntent {
  readonly uri: AllowedHost;
  /** Why more may be wanted than what is in here: a Cluster or a Machine that cannot be read. Nothing is removed then. */
  readonly incomplete?: CaplvError;
}

/** Names of networks and pools of a host. */
export interface PartNames {
  readonly networks: readonly string[];
  readonly pools: readonly string[];
}

export const NO_PARTS: PartNames = { networks: [], pools: [] };
