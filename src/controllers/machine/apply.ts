/** The phases that change a Machine on its host: one create, or a guarded update. */

import { isDeepStrictEqual } from 'node:util';
import type { ActuatorEvent, UpdateOptions } from '../../actuator/context/options.ts';
import { ReplaceRefused } from '../../actuator/plan/replace-guard.ts';
import { planReport } from '../../actuator/plan/report.ts';
import { allowsRestart } from '../../api/schema/power.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { intentHash } from '../../intent/machine-intent.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import { leaseVersion } from '../../libvirt/leases.ts';
import { formatSeconds } from '../../system/duration.ts';
import { approvedPlan } from '../shared/approval.ts';
import { CompletedParts } from '../shared/event-messages.ts';
import { approvedDisks } from '../shared/named-disks.ts';
import { type MachineDependencies, shutdownTimeoutMs } from './dependencies.ts';
import { diskSizes } from './disks/sizes.ts';
import { lockReporter } from './lock-condition.ts';
import { observeDomain, PrefetchedObservation } from './observe-domain.ts';
import { isPlanOnly, recordPlan } from './plan-approval.ts';
import { powerOptions, recordPower } from './power/requests.ts';
import { letImageGo, prepareHost, requireNoConflict } from './prepare-host.ts';
import type { MachineChange, MachineReconcile } from './reconcile.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { MachineScope } from './scope/scope.ts';

/** Says what is under way. */
export async function beginChange({ parts, scope, placed, change }: MachineReconcile): Promise<undefined> {
  const { pinned } = scope.providerStatus;
  if (change.drift) change.repair = parts.repair?.begin(scope, change.drift);
  // Of a machine that was never pinned nothing is made. Should there be a state all the same, `create` finds it, under its lock.
  change.exists = pinned !== undefined && (await parts.actuator.hasState(placed.identity));
  change.made = change.exists ? pinned : undefined;
  scope.status.phase = change.exists ? (scope.status.phase ?? 'Provisioning') : 'Provisioning';
  scope.beginOperation(change.exists ? 'Update' : 'Create', change.reason);
}

/** Makes what the machine needs of its host. What it stood on before is let go later, and only for a change that may go ahead. */
export async function prepareChange(reconcile: MachineReconcile): Promise<undefined> {
  const { parts, scope, placed, resolved, change } = reconcile;
  const { intent } = resolved;
  await requireNoConflict(parts, scope, placed);
  change.stack = parts.actuator.presynthesize(intent);
  const leases = leaseVersions(parts, placed, intent);
  const needed = change.made ? { intent, pinned: change.made } : resolved;
  change.facts = await prepareHost(parts, scope, placed, needed);
  change.leasesBefore = await leases;
}

/** Runs Terraform: one create, or a guarded update. */
export async function applyChange(reconcile: MachineReconcile): Promise<undefined> {
  const { parts, scope, placed, resolved, change, observed } = reconcile;
  const { actuator, recorder } = parts;
  const { exists, facts, made, leasesBefore, reason } = change;
  const { intent, pinned } = resolved;
  const started = performance.now();
  change.after = new PrefetchedObservation(() =>
    observeDomain(parts, placed, scope.providerStatus.leasesBefore),
  );
  // What else is made, by `terraform` of the spec, may take long and change the domain; of a change more may follow.
  const isLast = !exists && intent.terraform === undefined;
  const reportLock = lockReporter(parts, scope, 'DomainReady');
  const completed = new CompletedParts();
  const onEvent = (event: ActuatorEvent) => {
    if (isMade(event) && leasesBefore.length > 0) scope.setProviderStatus({ leasesBefore });
    if (isLast && isMade(event)) change.after.begin();
    completed.take(event);
    reportLock(event);
  };
  const power = exists ? powerOptions(scope, placed) : {};
  const options = { ...updateOptions(parts, scope, placed, change), ...power, onEvent };
  const moves = made !== undefined && !isDeepStrictEqual(made, pinned);
  // Within the update, under its lock, once the plan may run.
  const beforeApply = () => scope.step('HostReady', () => prepareHost(parts, scope, placed, resolved));
  try {
    await (exists
      ? actuator.update(intent, facts, { ...options, ...(moves && { beforeApply }) })
      : actuator.create(intent, facts, { ...options, isFirst: isFirst(reconcile) }));
  } catch (error) {
    if (error instanceof ReplaceRefused) recordPlan(scope, recorder, planReport(intent, error.preview));
    throw error;
  }
  const [type, verb] = exists ? (['Update', 'Updated'] as const) : (['Create', 'Created'] as const);
  const message = `${reason}; took ${formatSeconds(performance.now() - started)}`;
  recorder.event(scope.machine, { type: 'Normal', reason: verb, message: message + completed.text });
  scope.setOperation(type, 'Successful', message);
  const sizes = diskSizes(placed.spec);
  scope.setProviderStatus({
    appliedHash: intentHash(intent),
    lastPlanTime: new Date().toISOString(),
    pinned,
    ...(sizes.length > 0 || scope.providerStatus.diskSizes ? { diskSizes: sizes } : {}),
  });
  recordPower(scope, placed, exists && observed?.state !== 'running');
  scope.clearPlanDrift();
  scope.clearPlan();
}

/** Lets go what the machine no longer stands on, and observes what there is now. */
export async function completeChange(reconcile: MachineReconcile): Promise<undefined> {
  const { parts, scope, resolved, change } = reconcile;
  if (change.made && !isDeepStrictEqual(imageOf(change.made), imageOf(resolved.pinned))) {
    // Before the image goes: the host's stack counts the images that machines have pinned.
    await scope.checkpoint();
    await letImageGo(parts, scope, change.made);
  }
  reconcile.observed = await scope.step('DomainReady', () => change.after.result());
  await change.repair?.done();
}

/** Writes the providerID. It makes another generation of the spec, of which the same is true as of the one before. */
export async function claimDomain({ scope }: MachineReconcile): Promise<undefined> {
  await scope.claim(true);
  scope.setCondition('BootstrapDataReady', 'True', 'AsSpecified');
  scope.setCondition('HostReady', 'True', 'AsSpecified');
}

function updateOptions(
  parts: MachineDependencies,
  scope: MachineScope,
  placed: PlacedMachine,
  { drift, repair, stack, made }: MachineChange,
): UpdateOptions {
  // What the repair of drift may do; a person who asks for it is asked for more by the guard.
  const allowed = repair?.options ?? { replaceDomain: drift?.replacesDomain ?? false };
  return {
    ...allowed,
    stack,
    allowReplace: parts.allowReplace || (allowed.allowReplace ?? false),
    // The annotation is for changes that are asked for: drift is repaired as spec.repair says.
    allowRestart: parts.allowRestart || (drift === undefined && allowsRestart(scope.machine)),
    allowReplaceDisks: parts.allowReplaceDisks?.(scope.key) ?? [],
    approvedPlan: approvedPlan(scope.machine),
    approvedDisks: approvedDisks(scope.machine),
    onlyApproved: isPlanOnly(scope.machine) && scope.providerStatus.lastPlan !== undefined,
    shutdownTimeoutMs: shutdownTimeoutMs(parts, placed),
    reservedBefore: made?.reservations,
  };
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

/** A providerID without the hash of what was made is that of a machine whose status was lost, as by a move. */
function isFirst({ isNew, scope }: MachineReconcile): boolean {
  return isNew && scope.machine.spec.providerID === undefined;
}

function isMade(event: ActuatorEvent): boolean {
  return (
    event.type === 'completed' && event.action === 'create' && event.address === 'libvirt_domain.machine'
  );
}
