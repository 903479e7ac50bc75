/** A machine that is not as specified although nobody changed its specification, and which repairs its policy allows. */

import type { Machine } from '../../../api/kinds/machine.ts';

export interface Drift {
  /**
   * `stopped`: it is to run and does not, or the other way round. `lost`: the domain is gone. `paused`: for a person to look at.
   * `changed`: everything else.
   */
  readonly kind: 'stopped' | 'lost' | 'paused' | 'changed';
  /** What differs, in a few words. */
  readonly text: string;
  /** The same, with what libvirt says of why. */
  readonly detail: string;
  /** Only a new domain has what is missing: the provider claims to change it in place, and does not. */
  readonly replacesDomain?: boolean;
}

export type RepairPolicy = 'Always' | 'IfNotDestructive' | 'Never';

export function repairPolicy({ spec }: Pick<Machine, 'spec'>): RepairPolicy {
  return spec.repair ?? 'IfNotDestructive';
}
