/** Brings a machine that was made to its intent: plan, guard, apply of that very plan. Call it under the machine's lock. */

import { TransientError } from '../errors.ts';
import type { MachineIntent } from '../intent/hosted-intent.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import type { ResourceChange } from '../terraform/format/resource-change.ts';
import type { ActuatorOptions, UpdateOptions } from './context/options.ts';
import type { StateSession } from './context/state-session.ts';
import { clearLeftovers } from './host/cleanup.ts';
import { claimAddresses } from './host/reservations.ts';
import { refuseDisguisedVolumes } from './host/volume-guard.ts';
import type { DiskGrowth } from './machine/disk-sizes.ts';
import { growDisks } from './machine/grow-disks.ts';
import { ownDomain, shutDown, stopGuest } from './machine/guest.ts';
import { notOwned } from './machine/leftovers.ts';
import { planEffect } from './plan/effect.ts';
import { isTaken, withGrowth } from './plan/growth.ts';
import { dataIsGone, missingVolume, NEW_DOMAIN } from './plan/missing-volume.ts';
import { destructiveChanges, refuseLoss } from './plan/replace-guard.ts';
import { planId } from './plan/report.ts';
import {
  beginOperation,
  clearPendingOperation,
  hasAllVolumes,
  hasWholeDomain,
  interruptedOperation,
} from './state/machine-journal.ts';
import { refuseForeignState } from './state/ownership.ts';
import { recoverState } from './state/recover-machine.ts';

/** What a machine is to be: the intent, and the stack of it. */
export interface Change {
  readonly intent: MachineIntent;
  readonly config: object;
  /** Disks that are to be larger; the stack has them as they are. */
  readonly growth: readonly DiskGrowth[];
}

/** See `Actuator.update`. */
export async function changeMachine(
  options: ActuatorOptions,
  session: StateSession,
  change: Change,
  facts: HostFacts,
  update: UpdateOptions,
): Promise<void> {
  const { intent, config, growth } = change;
  const { home, terraform } = session;
  const libvirt = options.libvirt(intent.uri);
  const state = await terraform.state();
  await refuseForeignState(options, intent, state);
  const broken = await interruptedOperation(home, state, facts.domains.includes(intent.domain.name));
  const wasComplete = await hasAllVolumes(home, state);
  const isRecovered = await recoverState(options, session, intent, facts, state);
  if (!intent.domain.running || update.restart) await stopGuest(options, intent, update);
  await update.restart?.onOff();
  const planning = { save: true, replace: replaced(update) };
  const planned = await terraform.plan(config, planning).catch(async (error: unknown) => {
    const volume = missingVolume(error);
    if (volume === undefined) throw error;
    await removeBroken(options, intent, volume, update);
  });
  // Without its domain it can be planned; and what removing it takes was asked for.
  if (!planned) {
    const { review: _, onlyApproved: __, restart: ___, ...rest } = update;
    return changeMachine(options, session, change, facts, rest);
  }
  const plan = withGrowth(planned, growth);
  if (plan.action === 'none') {
    if (broken !== undefined) await clearPendingOperation(home);
    // Of reservations Terraform says nothing: the provider does not read them back.
    await claimAddresses(options, intent, update.reservedBefore);
    return;
  }
  const known = await terraform.state();
  const effect = planEffect(plan, known);
  const approved = update.approvedPlan === planId(intent, plan, effect);
  if (update.onlyApproved && !approved) throw planChanged();
  // What a broken create left was never in use: it may be replaced.
  if (broken !== 'create' || hasWholeDomain(known)) {
    const consent = {
      replace: approved || (update.allowReplace ?? false),
      restart: update.allowRestart ?? false,
      disks: [...(update.allowReplaceDisks ?? []), ...(approved ? (update.approvedDisks ?? []) : [])],
    };
    await refuseLoss(plan, effect, consent, {
      explain: () => terraform.explain(plan),
      isOn: async () => (await ownDomain(options, intent))?.state === 'running',
    });
  }
  await update.review?.(plan, approved);
  const seen = (await update.beforeApply?.()) ?? facts;
  if (plan.changes.some(makesDomain)) await refuseDisguisedVolumes(intent, seen, libvirt, options.policy);
  const isClear =
    (await clearLeftovers(options, session, intent, seen, await terraform.state())) ??
    (wasComplete && !isRecovered);
  await claimAddresses(options, intent, update.reservedBefore);
  if (destructiveChanges(plan).some((change) => change.type === 'libvirt_domain')) {
    await shutDown(options, intent, update.shutdownTimeoutMs ?? 0, update);
  }
  await beginOperation(home, 'update');
  const replacedDisks = growth.filter(({ address }) => isTaken(planned, address));
  await growDisks(
    options,
    intent,
    growth.filter((one) => !replacedDisks.includes(one)),
    update,
  );
  if (planned.action !== 'none') await terraform.apply(config, { plan: planned });
  await growDisks(options, intent, replacedDisks, update);
  await clearPendingOperation(home, isClear ? await terraform.state() : undefined);
  // Any change in place starts a domain that is off; its guest has not yet begun anything.
  const now = intent.domain.running ? undefined : await ownDomain(options, intent);
  if (now?.state === 'running') await libvirt.powerOff(intent.domain.name);
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
