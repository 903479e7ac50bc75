/** What the observer can see of drift without a Terraform run. */

import type { DomainIntent } from '../../stacks/intent.ts';
import type { DomainObservation } from '../libvirt/domain.ts';

/** What of an intent the observer can see. */
export type VisibleShape = Pick<DomainIntent, 'running' | 'vcpu' | 'memoryMiB' | 'autostart'>;

/** Why the domain is not as intended, in a few words for an event; undefined: it is, as far as libvirt shows. */
export function differenceFrom(
  intent: VisibleShape,
  observed: DomainObservation | undefined,
): string | undefined {
  if (!observed) return 'the domain is gone';
  const isOn = observed.state !== 'shutoff' && observed.state !== 'crashed';
  if (isOn !== intent.running) return `the domain is ${observed.state}`;
  if (observed.vcpu !== intent.vcpu) return `the domain has ${observed.vcpu} vCPUs`;
  if (observed.memoryMiB !== intent.memoryMiB) return `the domain has ${observed.memoryMiB} MiB of memory`;
  if (observed.autostart !== intent.autostart) return `autostart is ${observed.autostart ? 'on' : 'off'}`;
  return undefined;
}
