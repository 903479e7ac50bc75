/** Where a machine and what belongs to it lie on its host. */

import type { MachineIntent } from '../../stacks/intent.ts';
import type { MachineIdentity } from '../intent/names.ts';
import type { State } from '../terraform/state.ts';

/** Where a machine lives: what the verbs need when there is no intent, as for delete. */
export interface MachineLocation extends MachineIdentity {
  readonly uri: string;
  /** Pools in which volumes of it may lie. */
  readonly pools: readonly string[];
  readonly reservations: readonly ReservedAddresses[];
}

/** Fixed addresses that a network keeps for a machine. */
export interface ReservedAddresses {
  readonly network: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
}

/** The pools of all volumes that are a machine's own. */
export function poolsOf({ rootDisk, disks, seed }: MachineIntent): string[] {
  const pools = [
    rootDisk.pool,
    seed?.pool,
    ...disks.map((disk) => (disk.kind === 'new' ? disk.pool : undefined)),
  ];
  return [...new Set(pools.filter((pool) => pool !== undefined))];
}

export function reservationsOf({
  interfaces,
  name,
}: Pick<MachineIntent, 'interfaces' | 'name'>): ReservedAddresses[] {
  return interfaces.flatMap((nic) =>
    nic.kind === 'network' && nic.addresses?.length
      ? [{ network: nic.network, hostname: nic.hostname ?? name, addresses: nic.addresses }]
      : [],
  );
}

/** Pools of what Terraform knows. */
export function poolsIn(state: State | undefined): string[] {
  return (state?.resources ?? []).flatMap(({ attributes: { pool } }) =>
    typeof pool === 'string' ? [pool] : [],
  );
}
