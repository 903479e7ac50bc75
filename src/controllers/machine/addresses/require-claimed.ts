/** Holds back the reconcile, and the plan, of a LibvirtMachine that lacks addresses. */

import type { Machine } from '../../../api/kinds/machine.ts';
import { findProviderSpec } from '../../../api/schema/provider-spec.ts';
import { TransientError } from '../../../errors.ts';
import { isInfrastructure } from '../../../intent/names.ts';

/** Throws TransientError NotFound for a LibvirtMachine whose pools have not granted all of its addresses: nothing can be said of its guest. */
export function requireClaimedAddresses({ metadata, spec }: Pick<Machine, 'metadata' | 'spec'>): void {
  if (!isInfrastructure(metadata)) return;
  const { interfaces } = findProviderSpec(spec.providerSpec).spec;
  const all = Array.isArray(interfaces)
    ? (interfaces as readonly { readonly addressesFromPools?: unknown }[])
    : [];
  const index = all.findIndex(({ addressesFromPools }) => addressesFromPools !== undefined);
  if (index < 0) return;
  throw new TransientError({
    code: 'NotFound',
    path: `spec.interfaces[${index}].addressesFromPools`,
    message: 'the pools have not granted the addresses of this interface yet',
    fix: 'condition AddressesClaimed of the LibvirtMachine says what they wait for',
    missing: { kind: 'watched' },
    retryAfterMs: 10_000,
  });
}
