/** Declares the intents of stacks on a host that the policy allows. */

import type * as stacks from '../../stacks/intent.ts';
import type { CaplvError } from '../errors.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import type { CloudInitSeed } from './seed/cloud-init-seed.ts';

export interface MachineIntent extends Omit<stacks.MachineIntent, 'seed'> {
  readonly uri: AllowedHost;
  readonly seed?: SeedIntent;
}

/** What the guest reads at its first boot; of cloud-init's text the ISO is built here. Contents are secret. */
export type SeedIntent = stacks.SeedIntent | CloudInitSeed;

export interface HostIntent extends stacks.HostIntent {
  readonly uri: AllowedHost;
  /** Why the intent may be incomplete: a Cluster or a Machine that cannot be read. Nothing is removed then. */
  readonly incomplete?: CaplvError;
  /** Uids of the Clusters that are there and name the host; undefined: not known. */
  readonly clusters?: readonly string[];
}

/** Names of networks and pools of a host. */
export interface PartNames {
  readonly networks: readonly string[];
  readonly pools: readonly string[];
}

export const NO_PARTS: PartNames = { networks: [], pools: [] };
