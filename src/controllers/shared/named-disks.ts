/** Disks that a person has named as those that may be deleted with what is on them. */

import { type Machine, storedMachineSpec } from '../../api/kinds/machine.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { KubeObject } from '../../apimachinery/object.ts';

/**
 * Its value names disks, by comma: `root,data`. Of a Machine: those that its approved plan, or a MachineHealthCheck, may delete. Of a
 * MachineDeployment: those of its machines that a rollout may delete.
 */
export const APPROVE_DISKS_ANNOTATION = `${GROUP}/approve-disks`;

export function approvedDisks({ metadata }: Pick<KubeObject, 'metadata'>): string[] {
  const names = metadata.annotations?.[APPROVE_DISKS_ANNOTATION]?.split(',') ?? [];
  return names.map((name) => name.trim()).filter((name) => name !== '');
}

/** Names of the data disks that go with these machines, and that `approved` does not name. Of what was never made none is lost. */
export function unapprovedDisks(machines: readonly Machine[], approved: readonly string[]): string[] {
  const made = machines.filter(
    ({ metadata, status }) => !metadata.deletionTimestamp && status?.providerStatus?.pinned !== undefined,
  );
  const names = made.flatMap((machine) =>
    (storedMachineSpec(machine).disks ?? []).flatMap(({ name, volume }) =>
      volume === undefined ? [name] : [],
    ),
  );
  return [...new Set(names)].filter((name) => !approved.includes(name));
}
