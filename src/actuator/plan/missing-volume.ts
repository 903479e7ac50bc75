/**
 * A volume that is gone under a domain that is still there. Provider 0.8.3 then cannot even read the domain, and so every plan
 * fails until one of the two is as it was, or the domain is gone as well.
 */

import { TerminalError } from '../../errors.ts';
import type { Plan } from '../../terraform/format/plan.ts';

/** Name of the volume by which a plan failed in that way. */
export function missingVolume(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return /error retrieving volume for disk: .*no storage vol with matching (?:name|path|key) '([^']*)'/i.exec(
    error.message,
  )?.[1];
}

/** What it takes to mend that: a new domain. For whoever reviews plans. */
export const NEW_DOMAIN: Plan = {
  action: 'replace',
  changes: [
    {
      address: 'libvirt_domain.machine',
      type: 'libvirt_domain',
      name: 'machine',
      action: 'replace',
    },
  ],
  drift: [],
};

export function dataIsGone(volume: string): TerminalError {
  return new TerminalError({
    code: 'ReplaceRefused',
    message: `the change would create volume ${volume} again, without its lost data, and with it the domain`,
    fix:
      'restore the volume (is its pool mounted? virsh pool-refresh); or have both created again, with spec.repair: Always or ' +
      'caplv apply --allow-replace',
  });
}
