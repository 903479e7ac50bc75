/**
 * Which plans may run without a person's word. A plan that replaces or deletes a machine's domain or a disk of it
 * loses data or running work. So does one that makes a data disk anew that is gone: an empty disk in its place hides that, and
 * the old one may only be out of sight, as with a pool that is not mounted. A root disk is an overlay of its image, made anew
 * with a domain that is gone too, but not under a guest that still runs on the deleted file. Everything else may go ahead.
 */

import { Terminal } from '../../errors.ts';
import type { Explanation } from '../../terraform/format/explanation.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import type { ResourceChange } from '../../terraform/format/resource-change.ts';
import type { PlanPreview } from './preview.ts';
import type { PlanReport } from './report.ts';

const PROTECTED = new Set(['libvirt_domain', 'libvirt_volume', 'libvirt_network', 'libvirt_pool']);

/** A plan that may not run without a person's word. */
export class ReplaceRefused extends Terminal {
  readonly preview: PlanPreview;
  /** Of what machines share: the plan in words. */
  readonly report: PlanReport | undefined;

  constructor(preview: PlanPreview, message: string, report?: PlanReport) {
    super({
      code: 'ReplaceRefused',
      message,
      fix:
        'allow it with --allow-replace, or in a cluster by the annotation cluster-api.k8s.io/approve-plan=ID with the id in ' +
        'status.providerStatus.lastPlan (what is replaced starts anew); or take the change back',
    });
    this.preview = preview;
    this.report = report;
  }
}

/** The changes of a plan that replace or delete something worth keeping. */
export function destructiveChanges(plan: Plan): ResourceChange[] {
  return plan.changes.filter(
    (change) => PROTECTED.has(change.type) && (change.action === 'replace' || change.action === 'delete'),
  );
}

/** Disks of a machine that were there, are gone, and would be made anew, empty or from the image. */
export function lostDisks({ changes, drift }: Plan): ResourceChange[] {
  const gone = new Set(drift.filter(({ action }) => action === 'delete').map(({ address }) => address));
  return changes.filter(
    ({ action, address, type, name }) =>
      action === 'create' && type === 'libvirt_volume' && name !== 'seed' && gone.has(address),
  );
}

/**
 * Throws ReplaceRefused, naming the changes and the attributes that force them, unless the plan is harmless.
 * `explain` costs a run, `isOn` (does the guest run?) a look; each is asked only when it matters.
 */
export async function refuseReplacement(
  plan: Plan,
  explain: () => Promise<readonly Explanation[]>,
  isOn: () => Promise<boolean> = async () => false,
): Promise<void> {
  const destructive = destructiveChanges(plan);
  const lost = lostDisks(plan);
  const inUse = lost.some(({ name }) => name === 'root') && (await isOn());
  const losing = lost.filter(({ name }) => name !== 'root' || inUse);
  if (destructive.length + losing.length === 0) return;
  const explanations = await explain();
  const replaced = destructive.map(({ action, address }) => {
    const paths = explanations.find((explanation) => explanation.address === address)?.replacePaths ?? [];
    return `${action} ${address}${paths.length > 0 ? ` (forced by ${paths.join(', ')})` : ''}`;
  });
  const changes = [...replaced, ...losing.map(({ address }) => `make ${address} anew, whose data is gone`)];
  throw new ReplaceRefused({ plan, explanations }, `the change would ${changes.join(' and ')}`);
}
