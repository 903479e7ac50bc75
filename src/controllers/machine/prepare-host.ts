/** What a Machine needs on its host before it can be made: networks, pools, its image, and nothing in its way. */

import { volumesOf } from '../../actuator/host/machine-location.ts';
import type { Pinned } from '../../api/kinds/machine.ts';
import { Transient } from '../../errors.ts';
import { preflight } from '../../intent/preflight.ts';
import { imageOf, type ResolvedMachine } from '../../intent/resolve-machine.ts';
import { siteLabel } from '../../intent/site.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import { refuseSharedMac } from './addresses/mac-conflict.ts';
import type { MachineParts } from './dependencies.ts';
import { tellingOfLocks } from './lock-condition.ts';
import type { PlacedMachine } from './placed-machine.ts';
import type { MachineScope } from './scope.ts';

/** A host on which an older Cluster manages a network or pool otherwise than the Machine's own. */
export class DisputedHost extends Transient {}

/**
 * A new Machine would else get what another Cluster has made of the network or pool.
 * @throws DisputedHost
 */
export async function awaitUndisputed(
  { hosts }: MachineParts,
  scope: MachineScope,
  { cluster, site }: PlacedMachine,
): Promise<void> {
  if (!cluster || scope.providerStatus.appliedHash !== undefined) return;
  await scope.step('HostReady', async () => {
    const dispute = await hosts.disputeOver(cluster, site);
    if (!dispute) return;
    const fix = 'see the Cluster of this Machine; the Machine goes on when its Cluster does';
    throw new DisputedHost({ ...dispute, path: 'spec.clusterName', fix, retryAfterMs: 30_000 });
  });
}

/** What machines share on the host; `made`: what this one still stands on. Returns how the host then looks. */
export async function prepareHost(
  parts: MachineParts,
  scope: MachineScope,
  placed: PlacedMachine,
  resolved: ResolvedMachine,
  made?: Pinned,
): Promise<HostFacts> {
  const { store, hosts, allowReplace } = parts;
  const { intent, pinned } = resolved;
  await scope.step('HostReady', () => refuseSharedMac(store, placed, intent));
  const before = scope.providerStatus.pinned;
  // Pinned before the host's stack is built: that counts the images which machines have pinned.
  scope.setProviderStatus({ host: siteLabel(placed.site), pinned });
  scope.summarize();
  await scope.save();
  const facts = await scope.step('HostReady', async () => {
    const check = (seen: HostFacts) => {
      try {
        preflight(intent, placed.spec, seen, placed.path);
      } catch (error) {
        // An image in a pool that is not there would stop all machines of the host.
        scope.setProviderStatus({ pinned: before });
        throw error;
      }
    };
    const keep = made && imageOf(made);
    const options = { allowReplace, volumes: volumesOf(intent), check, keep };
    const seen = await tellingOfLocks(parts, scope, 'HostReady', (onEvent) =>
      hosts.ensure(pinned.uri, { ...options, onEvent }),
    );
    preflight(intent, placed.spec, seen, placed.path);
    return seen;
  });
  scope.setCondition('HostReady', 'True', 'AsSpecified');
  return facts;
}
