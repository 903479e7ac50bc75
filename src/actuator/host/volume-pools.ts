/**
 * Of a pool that is not active libvirt shows no volumes, and Terraform takes what it does not see for removed. So a machine is
 * deleted only while the pools of its volumes can be looked into.
 */

import { TransientError } from '../../errors.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import { virshCommand } from '../../libvirt/virsh-command.ts';
import type { State } from '../../terraform/format/state.ts';
import { type MachineLocation, poolsIn } from '../machine/location.ts';

/**
 * `uri`: as it may be shown. A pool in the state has to be there and active. One that only the specification names may be missing: nothing was ever made in
 * it. Throws TransientError PoolNotFound.
 */
export function requireVisiblePools(
  { name, uri, pools: named }: Pick<MachineLocation, 'name' | 'uri' | 'pools'>,
  { pools }: Pick<HostFacts, 'pools'>,
  state: State | undefined,
): void {
  const used = poolsIn(state);
  for (const pool of new Set([...used, ...named])) {
    const found = pools.find((one) => one.name === pool);
    if (found?.active || (!found && !used.includes(pool))) continue;
    throw new TransientError({
      code: 'PoolNotFound',
      message: `pool "${pool}" of ${uri} is ${found ? 'not active' : 'not there'}: volumes of ${name} may be in it, and cannot be removed`,
      fix: found
        ? `start it: ${virshCommand(uri, 'pool-start', pool)}`
        : `define it again, with the same directory: ${virshCommand(uri, 'pool-define-as', pool, 'dir', '--target', 'DIRECTORY')}`,
      retryAfterMs: 10_000,
    });
  }
}
