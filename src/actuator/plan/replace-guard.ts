/**
 * Which plans may run without consent. Of a host: none that replaces a network or pool. Of a machine: none that replaces or deletes
 * its domain, that is running work, or that makes a data disk again which is gone: an empty disk in its place hides that, and the
 * old one may only be out of sight, as with a pool that is not mounted. A root disk that is gone is made again from its image with
 * a domain that is gone too, but not under a guest that still runs on the deleted file. A disk that is there is replaced or deleted
 * only if it was named, whatever else was allowed. Everything else may go ahead.
 */

import { ALLOW_RESTART_ANNOTATION } from '../../api/schema/power.ts';
import { TerminalError } from '../../errors.ts';
import type { Explanation } from '../../terraform/format/explanation.ts';
import { type Plan, takesAway } from '../../terraform/format/plan.ts';
import type { ResourceChange } from '../../terraform/format/resource-change.ts';
import { effectText, type PlanEffect } from './effect.ts';
import type { PlanPreview } from './preview.ts';
import type { PlanReport } from './report.ts';

const PROTECTED = new Set(['libvirt_domain', 'libvirt_volume', 'libvirt_network', 'libvirt_pool']);

const APPROVE =
  'the annotation cluster-api.k8s.io/approve-plan=ID with the id in status.providerStatus.lastPlan';

/** A plan that may not run without consent. */
export class ReplaceRefused extends TerminalError {
  readonly preview: PlanPreview;
  /** Of what machines share: the plan in words. */
  readonly report: PlanReport | undefined;

  /** `disks`: names of those that have to be named. `restarts`: the guest restarts, and nothing else is lost. */
  constructor(
    preview: PlanPreview,
    message: string,
    {
      disks = [],
      restarts = false,
      report,
    }: { readonly disks?: readonly string[]; readonly restarts?: boolean; readonly report?: PlanReport } = {},
  ) {
    const names = disks.join(',');
    super({
      code: 'ReplaceRefused',
      message,
      fix:
        disks.length > 0
          ? `name what may be deleted with what is on it: ${disks.map((disk) => `--allow-replace-disk MACHINE/${disk}`).join(' ')}, or in a cluster ` +
            `the annotation cluster-api.k8s.io/approve-disks=${names} beside ${APPROVE}; or take the change back`
          : restarts
            ? `allow the restart with --allow-restart, or in a cluster by the annotation ${ALLOW_RESTART_ANNOTATION}=true, or ` +
              `${APPROVE}; or take the change back`
            : `allow it with --allow-replace, or in a cluster by ${APPROVE}; or take the change back`,
    });
    this.preview = preview;
    this.report = report;
  }
}

/** What a person has allowed a change of a machine to take away. */
export interface Consent {
  /** The domain may be replaced, and a disk that is gone may be made again, empty or from the image. */
  readonly replace: boolean;
  /** The domain may be replaced if nothing but the power of its guest is lost by it. */
  readonly restart: boolean;
  /** Names of disks that may go with what is on them, and their domain with them. */
  readonly disks: readonly string[];
}

/** The changes of a plan that replace or delete something worth keeping. */
export function destructiveChanges(plan: Plan): ResourceChange[] {
  return plan.changes.filter(({ type, action }) => PROTECTED.has(type) && takesAway(action));
}

/** Disks of a machine that were there, are gone, and would be made anew, empty or from the image. */
export function lostDisks({ changes, drift }: Plan): ResourceChange[] {
  const gone = new Set(drift.filter(({ action }) => action === 'delete').map(({ address }) => address));
  return changes.filter(
    ({ action, address, type, name }) =>
      action === 'create' && type === 'libvirt_volume' && name !== 'seed' && gone.has(address),
  );
}

/** Of a host: throws ReplaceRefused, naming the changes and the attributes that force them. `explain` costs a run. */
export async function refuseReplacement(
  plan: Plan,
  explain: () => Promise<readonly Explanation[]>,
): Promise<void> {
  const destructive = destructiveChanges(plan);
  if (destructive.length === 0) return;
  const explanations = await explain();
  throw new ReplaceRefused({ plan, explanations }, `the change would ${inWords(destructive, explanations)}`);
}

export interface Questions {
  /** Costs a run. */
  readonly explain: () => Promise<readonly Explanation[]>;
  /** Does the guest run? Costs a question to libvirt. */
  readonly isOn: () => Promise<boolean>;
}

/** Of a machine: throws ReplaceRefused unless `consent` covers all that the plan takes away. Each question is asked only when it matters. */
export async function refuseLoss(
  plan: Plan,
  effect: PlanEffect,
  consent: Consent,
  { explain, isOn }: Questions,
): Promise<void> {
  const unnamed = effect.disks.filter(({ name }) => !consent.disks.includes(name));
  // A seed is made again from the specification: what it takes along is in the plan by itself.
  const destructive = destructiveChanges(plan).filter(({ name }) => name !== 'seed');
  const isRestart = destructive.every(({ address }) => address === 'libvirt_domain.machine');
  const isAllowed = consent.replace || effect.disks.length > 0 || (consent.restart && isRestart);
  const lost = consent.replace ? [] : lostDisks(plan);
  const inUse = lost.some(({ name }) => name === 'root') && (await isOn());
  const losing = lost.filter(({ name }) => name !== 'root' || inUse);
  if (unnamed.length === 0 && losing.length === 0 && (isAllowed || destructive.length === 0)) return;
  const explanations = await explain();
  const changes = [
    ...(destructive.length > 0 ? [inWords(destructive, explanations)] : []),
    ...losing.map(({ address }) => `create ${address} again, without its lost data`),
  ];
  const what = [changes.join(' and '), effectText(effect)].filter(Boolean).join(': ');
  const disks = unnamed.map(({ name }) => name);
  const restarts = isRestart && losing.length === 0;
  throw new ReplaceRefused({ plan, explanations, effect }, `the change would ${what}`, { disks, restarts });
}

function inWords(changes: readonly ResourceChange[], explanations: readonly Explanation[]): string {
  return changes
    .map(({ action, address }) => {
      const paths = explanations.find((explanation) => explanation.address === address)?.replacePaths ?? [];
      return `${action} ${address}${paths.length > 0 ? ` (forced by ${paths.join(', ')})` : ''}`;
    })
    .join(' and ');
}
