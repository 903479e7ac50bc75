/** Makes a Machine true on its host: one create, or a guarded update. */

import { isDeepStrictEqual } from 'node:util';
import type { ActuatorEvent, UpdateOptions } from '../../actuator/context/options.ts';
import { ReplaceRefused } from '../../actuator/plan/replace-guard.ts';
import { planReport } from '../../actuator/plan/report.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { intentHash } from '../../intent/machine-intent.ts';
import type { ResolvedMachine } from '../../intent/resolve-machine.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import { leaseVersion } from '../../libvirt/leases.ts';
import { formatSeconds } from '../../system/duration.ts';
import { approvedPlan } from '../shared/approval.ts';
import { approvedDisks } from '../shared/named-disks.ts';
import { type MachineDependencies, shutdownTimeoutMs } from './dependencies.ts';
import { tellingOfLocks } from './lock-condition.ts';
import { observeDomain, PrefetchedObservation } from './observe-domain.ts';
import { isPlanOnly, recordPlan } from './plan-approval.ts';
import { letImageGo, prepareHost, requireNoConflict } from './prepare-host.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/**
 * Shared things of the host first, then one create, or a guarded update. Returns what is there afterwards. `repair`: nobody asked
 * for a change, and this is what the repair of drift may do.
 */
export async function applyMachine(
  parts: MachineDependencies,
  scope: MachineScope,
  placed: PlacedMachine,
  resolved: ResolvedMachine,
  reason: string,
  repair: UpdateOptions = {},
): Promise<DomainObservation | undefined> {
  const { actuator, allowReplace } = parts;
  const { intent } = resolved;
  // Of a machine that was never pinned nothing is made. Should there be a state all the same, `create` finds it, under its lock.
  const wasPinned = scope.providerStatus.pinned !== undefined;
  const exists = wasPinned && (await scope.step('DomainReady', () => actuator.hasState(placed.identity)));
  scope.status.phase = exists ? (scope.status.phase ?? 'Provisioning') : 'Provisioning';
  scope.beginOperation(exists ? 'Update' : 'Create', reason);
  // What the machine stands on is let go, and what it will stand on made, only for a change that may go ahead.
  const made = exists ? scope.providerStatus.pinned : undefined;
  await requireNoConflict(parts, scope, placed);
  const stack = actuator.presynthesize(intent);
  const before = leaseVersions(parts, placed, intent);
  const facts = await prepareHost(parts, scope, placed, made ? { intent, pinned: made } : resolved);
  const beforeApply = () => prepareHost(parts, scope, placed, resolved);

  const started = performance.now();
  const options = {
    ...repair,
    stack,
    allowReplace: allowReplace || (repair.allowReplace ?? false),
    allowReplaceDisks: parts.allowReplaceDisks?.(scope.key) ?? [],
    approvedPlan: approvedPlan(scope.machine),
    approvedDisks: approvedDisks(scope.machine),
    onlyApproved: isPlanOnly(scope.machine) && scope.providerStatus.lastPlan !== undefined,
    shutdownTimeoutMs: shutdownTimeoutMs(parts, placed),
    reservedBefore: made?.reservations,
    ...(made && !isDeepStrictEqual(made, resolved.pinned) ? { beforeApply } : {}),
  };
  const leasesBefore = await before;
  const early = new PrefetchedObservation(() =>
    observeDomain(parts, placed, scope.providerStatus.leasesBefore),
  );
  // What else is made, by `terraform` of the spec, may take long and change the domain; of a change more may follow.
  const isLast = !exists && intent.terraform === undefined;
  try {
    await scope.step('DomainReady', () =>
      tellingOfLocks(parts, scope, 'DomainReady', (onEvent) => {
        const tell = (event: ActuatorEvent) => {
          if (isMade(event) && leasesBefore.length > 0) scope.setProviderStatus({ leasesBefore });
          if (isLast && isMade(event)) early.begin();
          onEvent(event);
        };
        const told = { ...options, onEvent: tell };
        return exists ? actuator.update(intent, facts, told) : actuator.create(intent, facts, told);
      }),
    );
  } catch (error) {
    if (error instanceof ReplaceRefused) {
      recordPlan(scope, parts.recorder, planReport(intent, error.preview));
    }
    throw error;
  }
  const verb = exists ? 'Updated' : 'Created';
  const took = formatSeconds(performance.now() - started);
  parts.recorder.event(scope.machine, {
    type: 'Normal',
    reason: verb,
    message: `${reason}; took ${took}`,
  });
  scope.setOperation(exists ? 'Update' : 'Create', 'Successful', `${reason}; took ${took}`);
  scope.setProviderStatus({
    appliedHash: intentHash(intent),
    lastPlanTime: new Date().toISOString(),
    pinned: resolved.pinned,
  });
  scope.clearPlanDrift();
  scope.clearPlan();
  if (made && !isDeepStrictEqual(imageOf(made), imageOf(resolved.pinned))) {
    await scope.save();
    await letImageGo(parts, scope, made);
  }
  return scope.step('DomainReady', () => early.result());
}

/** Of its MAC addresses, as they are before its domain is made. What cannot be read is taken for none. */
async function leaseVersions(
  { actuator }: MachineDependencies,
  { identity, site }: PlacedMachine,
  { interfaces }: MachineIntent,
): Promise<string[]> {
  const nics = interfaces.flatMap((nic) => {
    const mac = nic.mac ?? nic.assignedMac;
    return nic.kind === 'network' && mac !== undefined ? [{ mac, type: nic.kind, network: nic.network }] : [];
  });
  const leases = await actuator.leases({ ...identity, uri: site.uri }, nics).catch(() => []);
  // One that never ends looks the same when its guest has asked again.
  return leases.filter(({ expiresAt }) => expiresAt.getTime() > Date.now()).map(leaseVersion);
}

function isMade(event: ActuatorEvent): boolean {
  return (
    event.type === 'completed' && event.action === 'create' && event.address === 'libvirt_domain.machine'
  );
}
