/** What a plan takes from a machine: a guest that restarts, and disks that are deleted with what is on them. */

import { diskOfVolume } from '../../intent/names.ts';
import { type Plan, takesAway } from '../../terraform/format/plan.ts';
import type { ResourceChange } from '../../terraform/format/resource-change.ts';
import type { State } from '../../terraform/format/state.ts';

export interface PlanEffect {
  /** The domain is replaced or deleted. */
  readonly restarts: boolean;
  /** Disks that are there, and are replaced or deleted. */
  readonly disks: readonly LostDisk[];
  /** UUID of the domain that the state knows: a plan is approved for one life of a machine, and not for the next. */
  readonly domain: string | undefined;
}

export interface LostDisk {
  readonly address: string;
  /** `root`, a name in `disks`, or the address of a volume that `terraform` of the spec declares. */
  readonly name: string;
}

/** `state`: the one that the plan is for. */
export function planEffect({ changes }: Pick<Plan, 'changes'>, state: State | undefined): PlanEffect {
  const known = new Map(state?.resources.map((one) => [one.address, one]));
  return {
    restarts: changes.some(({ type, action }) => type === 'libvirt_domain' && takesAway(action)),
    disks: changes.filter(losesDisk).map(({ address }) => {
      const volume = String(known.get(address)?.attributes['name'] ?? '');
      return { address, name: diskOfVolume(volume) ?? address };
    }),
    domain: known.get('libvirt_domain.machine')?.attributes['id'] as string | undefined,
  };
}

/** In words, for example: `the guest restarts, its disks stay`. Empty: nothing is taken away. */
export function effectText({ restarts, disks }: PlanEffect): string {
  const names = disks.map(({ name }) => name);
  const lost = `what is on ${names.length > 1 ? 'the disks' : 'the disk'} ${names.join(', ')} is lost`;
  if (names.length === 0) return restarts ? 'the guest restarts, its disks stay' : '';
  return restarts ? `the guest restarts, and ${lost}` : lost;
}

/** The seed is made again from the specification: it holds nothing of the guest's. */
function losesDisk({ type, name, action }: ResourceChange): boolean {
  return type === 'libvirt_volume' && name !== 'seed' && takesAway(action);
}
