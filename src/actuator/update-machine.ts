/** Brings a machine that was made to its intent: plan, guard, apply of that very plan. Call it under the machine's lock. */

import { TransientError } from '../errors.ts';
import type { MachineIntent } from '../intent/hosted-intent.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import type { ResourceChange } from '../terraform/format/resource-change.ts';
import type { ActuatorOptions, UpdateOptions } from './context/options.ts';
import { clearLeftovers } from './host/cleanup.ts';
import { claimAddresses } from './host/reservations.ts';
import { refuseDisguisedVolumes } from './host/volume-guard.ts';
import { ownDomain, shutDown, stopGuest } from './machine/guest.ts';
import { notOwned } from './machine/leftovers.ts';
import { planEffect } from './plan/effect.ts';
import { dataIsGone, missingVolume, NEW_DOMAIN } from './plan/missing-volume.ts';
import { destructiveChanges, refuseLoss } from './plan/replace-guard.ts';
import { planId } from './plan/report.ts';
import {
  clearPendingOperation,
  hasWholeDomain,
  interruptedOperation,
  withPendingOperation,
} from './state/machine-journal.ts';
import { refuseForeignState } from './state/ownership.ts';
import { type Recovery, recoverState } from './state/recover-machine.ts';

/** See `Actuator.update`. */
export async function changeMachine(
  options: ActuatorOptions,
  recovery: Recovery,
  facts: HostFacts,
  update: UpdateOptions,
): Promise<void> {
  const { terraform, libvirt } = options;
  const { intent, home, config, run } = recovery;
  const state = await terraform.state(home.workspace);
  await refuseForeignState(options, intent, state);
  const broken = await interruptedOperation(home, state, facts.domains.includes(intent.domain.name));
  await recoverState(options, recovery, facts, state);
  if (!intent.domain.running) await stopGuest(options, intent, update);
  const planning = { ...run, save: true, replace: replaced(update) };
  const plan = await terraform.plan(home.workspace, config, planning).catch(async (error: unknown) => {
    const volume = missingVolume(error);
    if (volume === undefined) throw error;
    await removeBroken(options, intent, volume, update);
  });
  // Without its domain it can be planned; and what removing it takes was asked for.
  if (!plan) {
    const { review: _, onlyApproved: __, ...rest } = update;
    return changeMachine(options, recovery, facts, rest);
  }
  if (plan.action === 'none') {
    if (broken !== undefined) await clearPendingOperation(home);
    // Of reservations Terraform says nothing: the provider does not read them back.
    await claimAddresses(options, intent, update.reservedBefore);
    return;
  }
  const known = await terraform.state(home.workspace);
  const effect = planEffect(plan, known);
  const approved = update.approvedPlan === planId(intent, plan, effect);
  if (update.onlyApproved && !approved) throw planChanged();
  // What a broken create left was never in use: it may be replaced.
  if (broken !== 'create' || hasWholeDomain(known)) {
    const consent = {
      replace: approved || (update.allowReplace ?? false),
      disks: [...(update.allowReplaceDisks ?? []), ...(approved ? (update.approvedDisks ?? []) : [])],
    };
    await refuseLoss(plan, effect, consent, {
      explain: () => terraform.explain(home.workspace, plan, run),
      isOn: async () => (await ownDomain(options, intent))?.state === 'running',
    });
  }
  await update.review?.(plan, approved);
  const seen = (await update.beforeApply?.()) ?? facts;
  if (plan.changes.some(makesDomain))
    await refuseDisguisedVolumes(intent, seen, libvirt(intent.uri), options.policy);
  await clearLeftovers(options, recovery, seen, await terraform.state(home.workspace));
  await claimAddresses(options, intent, update.reservedBefore);
  if (destructiveChanges(plan).some((change) => change.type === 'libvirt_domain')) {
    await shutDown(options, intent, update.shutdownTimeoutMs ?? 0, update);
  }
  await withPendingOperation(home, 'update', () => terraform.apply(home.workspace, config, { ...run, plan }));
  // Any change in place starts a domain that is off; its guest has not yet begun anything.
  const now = intent.domain.running ? undefined : await ownDomain(options, intent);
  if (now?.state === 'running') await libvirt(intent.uri).powerOff(intent.domain.name);
}

/** Addresses for `terraform plan -replace`. */
export function replaced({ replaceDomain }: Pick<UpdateOptions, 'replaceDomain'>): readonly string[] {
  return replaceDomain ? ['libvirt_domain.machine'] : [];
}

/** Removes a domain that lacks a disk, if that loses nothing but what an image has, or may lose more. */
async function removeBroken(
  options: ActuatorOptions,
  intent: MachineIntent,
  volume: string,
  update: UpdateOptions,
): Promise<void> {
  const observed = await ownDomain(options, intent);
  if (!observed) throw notOwned(intent.domain.name);
  const isImage = volume === intent.rootDisk.volume && observed.state !== 'running';
  if (!isImage && !update.allowReplace) throw dataIsGone(volume);
  await update.review?.(NEW_DOMAIN, false);
  await shutDown(options, intent, update.shutdownTimeoutMs ?? 0, update);
  await options.libvirt(intent.uri).removeDomain(observed.name);
  update.onEvent?.({ type: 'leftovers_removed', names: [observed.name] });
}

function makesDomain({ type, action }: ResourceChange): boolean {
  return type === 'libvirt_domain' && (action === 'create' || action === 'replace');
}

function planChanged(): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: 'the plan is no longer the one that was approved',
    fix: 'check the new plan, and approve that one',
    retryAfterMs: 1_000,
  });
}
