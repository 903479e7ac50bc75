/** Where a machine and what belongs to it lie on its host. */

import type { MachineIntent, PartNames } from '../../intent/hosted-intent.ts';
import type { MachineIdentity } from '../../intent/names.ts';
import type { ReservedAddress } from '../../intent/reservations.ts';
import type { VolumeKey } from '../../libvirt/volume.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { State } from '../../terraform/format/state.ts';

/** Where a machine lives: what the verbs need when there is no intent, as for delete. */
export interface MachineLocation extends MachineIdentity {
  readonly uri: AllowedHost;
  /** Pools in which volumes of it may lie. */
  readonly pools: readonly string[];
  /** Volumes that it may have, by what its specification says; absent: that is not known. */
  readonly volumes?: readonly VolumeKey[];
  /** Fixed addresses that networks keep for it. */
  readonly reservations: readonly ReservedAddress[];
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

/** All volumes that its domain will stand on, but for those that it only borrows. */
export function volumesOf({ rootDisk, disks, seed }: MachineIntent): VolumeKey[] {
  return [
    { pool: rootDisk.base.pool, name: rootDisk.base.volume },
    { pool: rootDisk.pool, name: rootDisk.volume },
    ...disks.flatMap((disk) => (disk.kind === 'new' ? [{ pool: disk.pool, name: disk.volume }] : [])),
    ...(seed ? [{ pool: seed.pool, name: seed.volume }] : []),
  ];
}

/** Networks and pools, by name, without which it cannot be made. */
export function partsUsedBy(intent: MachineIntent): PartNames {
  const networks = intent.interfaces.flatMap((nic) => (nic.kind === 'network' ? [nic.network] : []));
  return {
    networks: [...new Set(networks)],
    pools: [...new Set([...poolsOf(intent), intent.rootDisk.base.pool])],
  };
}

/** Pools of what Terraform knows. */
export function poolsIn(state: State | undefined): string[] {
  return (state?.resources ?? []).flatMap(({ attributes: { pool } }) =>
    typeof pool === 'string' ? [pool] : [],
  );
}

/** Volumes of what Terraform knows. */
export function volumesIn(state: State | undefined): VolumeKey[] {
  return (state?.resources ?? []).flatMap(({ attributes: { pool, name } }) =>
    typeof pool === 'string' && typeof name === 'string' ? [{ pool, name }] : [],
  );
}
