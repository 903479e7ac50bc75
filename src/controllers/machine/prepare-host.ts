/** What a Machine needs on its host before it can be made: networks, pools, its image, and nothing in its way. */

import { classified } from '../../actuator/context/classify-error.ts';
import { partsUsedBy, volumesOf } from '../../actuator/machine/location.ts';
import type { Pinned } from '../../api/kinds/machine.ts';
import { CaplvError, restated, TerminalError, TransientError } from '../../errors.ts';
import { requireHostSupport } from '../../intent/host-support.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { intentHash } from '../../intent/machine-intent.ts';
import { preflight, usedParts } from '../../intent/preflight.ts';
import { imageOf, type ResolvedMachine, requireRoom } from '../../intent/resolve-machine.ts';
import { siteLabel } from '../../intent/site.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import { withRecoveryHint } from '../shared/give-up.ts';
import type { PartsUse } from '../shared/shared-hosts.ts';
import { refuseTakenAddresses, refuseUnusableAddresses } from './addresses/fixed-addresses.ts';
import { refuseSharedMac } from './addresses/mac-conflict.ts';
import type { MachineDependencies } from './dependencies.ts';
import { lockReporter } from './lock-condition.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/** A host on which another Cluster has a network or pool with other values than the Machine's own. */
export class DisputedHost extends TransientError {}

/**
 * A new Machine would else get what another Cluster has made of the network or pool.
 * @throws DisputedHost
 */
export async function requireNoConflict(
  { hosts }: MachineDependencies,
  scope: MachineScope,
  { cluster, site }: PlacedMachine,
): Promise<void> {
  if (!cluster || scope.providerStatus.appliedHash !== undefined) return;
  const dispute = await hosts.findConflict(cluster, site);
  if (!dispute) return;
  const fix = 'see the Cluster of this Machine; the Machine continues when its Cluster does';
  throw new DisputedHost({ ...dispute, path: 'spec.clusterName', fix, retryAfterMs: 30_000 });
}

function requireSupport(
  { libvirt }: MachineDependencies,
  placed: PlacedMachine,
  { domain: { name: domain, type: domainType } }: MachineIntent,
): Promise<void> {
  const request = { ...placed, domain, domainType, libvirt: libvirt(placed.site.uri) };
  return classified(() => requireHostSupport(request));
}

/**
 * What a Machine that is new, or was changed, uses of its host; undefined: one that is as it was asked for stays, whatever is allowed
 * now. The network and pool that it was made in are its own.
 */
export function newUse(
  { machine, identity, path }: PlacedMachine,
  intent: MachineIntent,
): PartsUse | undefined {
  const { appliedHash, pinned } = machine.status?.providerStatus ?? {};
  if (appliedHash === intentHash(intent)) return undefined;
  const made = appliedHash === undefined ? undefined : pinned?.site;
  const parts = usedParts(intent, path).filter(({ what, name }) => made?.[what] !== name);
  return { namespace: identity.namespace, parts };
}

/** Makes what the machine uses of what machines share on the host. Returns how the host then looks. */
export async function prepareHost(
  parts: MachineDependencies,
  scope: MachineScope,
  placed: PlacedMachine,
  resolved: ResolvedMachine,
): Promise<HostFacts> {
  const { store, hosts, actuator } = parts;
  const { intent, pinned } = resolved;
  const use = newUse(placed, intent);
  if (use) await hosts.requireUsable(placed.site.uri, use);
  await refuseTakenAddresses(store, placed, intent);
  await refuseSharedMac(store, placed, intent);
  await refuseUnusableAddresses(actuator, placed, intent);
  await requireSupport(parts, placed, intent);
  const before = scope.providerStatus.pinned;
  scope.setProviderStatus({ host: siteLabel(placed.site), pinned });
  // Before anything is made: a later reconcile finds by it what there is. And the host's stack counts the images that machines have pinned.
  await scope.checkpoint();
  // Nothing of it is on the host, and nothing has to go when the machine does.
  const unpin = (error: unknown): never => {
    scope.setProviderStatus({ pinned: before });
    throw error;
  };
  // Again, now that others see what this one asks for: of two at the same time, at least one sees the other.
  await refuseTakenAddresses(store, placed, intent).catch(unpin);
  const check = (seen: HostFacts) => {
    try {
      preflight(intent, placed.spec, seen, placed.path);
    } catch (error) {
      unpin(error);
    }
  };
  const used = { ...partsUsedBy(intent), image: imageOf(pinned) };
  const options = {
    volumes: volumesOf(intent),
    check,
    defersImage: parts.defersImages,
    onEvent: lockReporter(parts, scope, 'HostReady'),
  };
  const facts = await hosts.ensureUsed(placed.site.uri, used, use, options).catch((error: unknown) => {
    throw imageErrorAt(placed.path, error);
  });
  preflight(intent, placed.spec, facts, placed.path);
  requireRoomForImage(scope, placed, pinned, facts);
  scope.setCondition('HostReady', 'True', 'AsSpecified');
  return facts;
}

/** How large the disk in a compressed image is, is known when it is there. A machine that was made is as large as it is. */
function requireRoomForImage(
  { providerStatus }: MachineScope,
  { spec, path }: PlacedMachine,
  { base, imageSource }: Pinned,
  { volumeDetails }: HostFacts,
): void {
  if (imageSource === undefined || providerStatus.appliedHash !== undefined) return;
  const image = volumeDetails.find(({ pool, name }) => pool === base.pool && name === base.volume);
  requireRoom(spec, image?.capacityBytes, path);
}

/** Names the field as the author of this object wrote it: a LibvirtMachine has no provider spec. */
function imageErrorAt(path: string, error: unknown): unknown {
  if (!(error instanceof CaplvError)) return error;
  const [, field] = /^spec\.providerSpec\.(image\w+)$/.exec(error.path ?? '') ?? [];
  return field === undefined ? error : restated(error, { path: `${path}.${field}` });
}

/**
 * Removes the image that a Machine no longer stands on from its host, unless another Machine has it pinned. `pinned`: with that image; in the stored status of the Machine it no longer is. Needs nothing of what others use there. Throws
 * TransientError for a Machine that is deleted, as it is the last that asks for this.
 */
export async function letImageGo(
  parts: MachineDependencies,
  scope: MachineScope,
  pinned: Pinned,
): Promise<void> {
  const { hosts, recorder } = parts;
  const image = imageOf(pinned);
  if (!image) return;
  const host = parts.resolver.hostOf(pinned);
  const isDeleted = scope.machine.metadata.deletionTimestamp !== undefined;
  try {
    await scope.step('HostReady', () =>
      hosts.releaseImage(host, image, { onEvent: lockReporter(parts, scope, 'HostReady') }).catch((error) => {
        throw isDeleted ? withRecoveryHint(error, scope.machine) : error;
      }),
    );
  } catch (error) {
    if (!(error instanceof CaplvError) || (isDeleted && !(error instanceof TerminalError))) throw error;
    // TerminalError: a state that cannot be read waits for a person, and the machine is gone from the host.
    scope.setCondition('HostReady', 'True', 'AsSpecified');
    recorder.event(scope.machine, { type: 'Warning', reason: error.code, message: error.message });
  }
}
