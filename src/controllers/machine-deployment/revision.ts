/** Revisions of a MachineDeployment: each MachineSet is one version of the template, and stays for a while to go back to. */

import { isDeepStrictEqual } from 'node:util';
import type { MachineSet } from '../../api/kinds/machine-set.ts';
import type { MachineTemplate } from '../../api/kinds/machine-template.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { shortHash } from '../../intent/names.ts';
import { nextOrdinal } from '../machine-set/ordinals.ts';

/** On a MachineSet: which version of the template it is, from 1. On a MachineDeployment: the one that it is at. */
export const REVISION_ANNOTATION = 'cluster-api.k8s.io/revision';

/** Label of a set, of its selector and of its machines, so that sets of one deployment never take each other's machines. */
export const TEMPLATE_HASH_LABEL = 'machine-template-hash';

/** Short enough for the name of a set. */
export function templateHash(template: MachineTemplate, salt: number): string {
  return shortHash(JSON.stringify([template, salt]));
}

export function withHash(template: MachineTemplate, hash: string): MachineTemplate {
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
  return { ...template, metadata: { ...template.metadata, labels } };
}

export function withoutHash(template: MachineTemplate): MachineTemplate {
  const { [TEMPLATE_HASH_LABEL]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

/**
 * The set that was made from this template: by comparing, not by its hash, which would change, and with it every machine,
 * when a new version of CAPLV adds a field with a default. One that is being deleted does not count.
 */
export function setOfTemplate(
  template: MachineTemplate,
  sets: readonly MachineSet[],
): MachineSet | undefined {
  const wanted = withoutHash(template);
  return sets.find(
    ({ metadata, spec }) =>
      !metadata.deletionTimestamp && isDeepStrictEqual(withoutHash(spec.template), wanted),
  );
}

/** 0: it has none yet. */
export function revisionOf({ metadata }: KubeObject): number {
  return Number.parseInt(metadata.annotations?.[REVISION_ANNOTATION] ?? '0', 10) || 0;
}

/** Revision of the current set: what it has if that is the newest, else one more than all others. */
export function currentRevision(current: MachineSet | undefined, others: readonly MachineSet[]): number {
  const newest = others.map(revisionOf).reduce((most, one) => Math.max(most, one), 0);
  return Math.max(current ? revisionOf(current) : 0, newest + 1);
}

/** Oldest first. */
export function byRevision(a: MachineSet, b: MachineSet): number {
  return revisionOf(a) - revisionOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/** On a MachineSet: a machine of it was available once, so that there is a point in going back to it. */
export const HAS_RUN_ANNOTATION = 'cluster-api.k8s.io/has-run';

/**
 * Old sets without machines that are beyond the limit. One whose machines never became available goes before one whose machines
 * ran, an older one before a newer one.
 */
export function expiredSets(emptyOld: readonly MachineSet[], revisionHistoryLimit: number): MachineSet[] {
  const ordered = [...emptyOld].sort((a, b) => worthOf(a) - worthOf(b) || byRevision(a, b));
  return ordered.slice(0, Math.max(0, ordered.length - revisionHistoryLimit));
}

/** 2: it ran; 1: it made machines (and is perhaps older than the annotation); 0: it never had one. */
function worthOf(set: MachineSet): number {
  if (set.metadata.annotations?.[HAS_RUN_ANNOTATION] !== undefined) return 2;
  return nextOrdinal(set, []) > 0 ? 1 : 0;
}
