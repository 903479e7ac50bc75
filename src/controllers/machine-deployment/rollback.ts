/** Back to an earlier version of a MachineDeployment's template. */

import type { MachineDeployment } from '../../api/kinds/machine-deployment.ts';
import type { MachineSet } from '../../api/kinds/machine-set.ts';
import type { Ownership } from '../shared/cascading-deletion.ts';
import { byRevision, REVISION_ANNOTATION, revisionOf, setOfTemplate, withoutHash } from './revision.ts';

/**
 * On a MachineDeployment, set by a person: go back to the template of this revision; 0: to the one before. Taken away again
 * when that is done. It changes spec.template, so a manifest that is applied afterwards is a change again.
 */
export const ROLLBACK_ANNOTATION = 'cluster-api.k8s.io/rollback-to';

/** Does what the annotation asks for. Returns the deployment as it is then. `sets`: all of the deployment. */
export async function rollBack(
  { store, recorder, fieldManager, ownerKind }: Ownership<MachineDeployment, MachineSet>,
  deployment: MachineDeployment,
  sets: readonly MachineSet[],
): Promise<MachineDeployment> {
  const { [ROLLBACK_ANNOTATION]: wanted, ...annotations } = deployment.metadata.annotations ?? {};
  if (wanted === undefined) return deployment;
  const target = /^\d{1,9}$/.test(wanted) ? rolledBack(deployment, sets, Number(wanted)) : undefined;
  const changed = { ...(target ?? deployment), metadata: { ...deployment.metadata, annotations } };
  const updated = await store.update(ownerKind, changed, { fieldManager });
  if (target) {
    const message = wanted === '0' ? 'to the revision before' : `to revision ${wanted}`;
    recorder.event(deployment, { type: 'Normal', reason: 'RolledBack', message });
  } else {
    const known = sets.map(revisionOf).join(', ');
    const message = `there is no revision "${wanted}"; there are ${known} (annotation ${REVISION_ANNOTATION} of the MachineSets)`;
    recorder.event(deployment, { type: 'Warning', reason: 'RevisionNotFound', message });
  }
  return updated;
}

/**
 * The deployment with the template of revision `revision` (0: the one before the current), ready for Store.update;
 * undefined if no set of that revision is left. `sets`: all of the deployment.
 */
export function rolledBack(
  deployment: MachineDeployment,
  sets: readonly MachineSet[],
  revision: number,
): MachineDeployment | undefined {
  const current = setOfTemplate(deployment.spec.template, sets);
  const ordered = sets.filter((set) => !set.metadata.deletionTimestamp).sort(byRevision);
  const target =
    revision === 0
      ? ordered.filter((set) => set !== current).at(-1)
      : ordered.find((set) => revisionOf(set) === revision);
  if (!target) return undefined;
  return { ...deployment, spec: { ...deployment.spec, template: withoutHash(target.spec.template) } };
}
