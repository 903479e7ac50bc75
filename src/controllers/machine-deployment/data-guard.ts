/** A rolling update deletes machines with all that is theirs: it waits for a person where they have disks with data. */

import type { MachineDeployment } from '../../api/kinds/machine-deployment.ts';
import { TerminalError } from '../../errors.ts';
import { APPROVE_DISKS_ANNOTATION, approvedDisks, unapprovedDisks } from '../shared/named-disks.ts';
import type { SetWithMachines } from './sets.ts';

/** `old`: sets of other templates. Throws TerminalError ReplaceRefused, before anything is made or deleted. */
export function refuseDataLoss(deployment: MachineDeployment, old: readonly SetWithMachines[]): void {
  const { metadata, spec } = deployment;
  if (spec.paused || spec.strategy?.type === 'OnDelete') return;
  const machines = old.flatMap((set) => set.machines);
  const disks = unapprovedDisks(machines, approvedDisks(deployment));
  if (disks.length === 0) return;
  const named = [...approvedDisks(deployment), ...disks].join(',');
  throw new TerminalError({
    code: 'ReplaceRefused',
    path: 'spec.template',
    message: `the rollout would delete ${machines.length} machines, and what is on their ${disks.length > 1 ? 'disks' : 'disk'} ${disks.join(', ')} is lost`,
    fix:
      `name what may go: kubectl annotate machinedeployment -n ${metadata.namespace ?? 'default'} ${metadata.name} ` +
      `${APPROVE_DISKS_ANNOTATION}=${named}; or set strategy.type to OnDelete and delete the machines yourself; or take the change back`,
  });
}
