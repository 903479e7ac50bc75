/** The way out of a deletion that cannot end: its host is gone for good, or does not answer for longer than anyone can wait. */

import { GROUP } from '../../api/schema/group.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { CaplvError, restated, TransientError } from '../../errors.ts';

/**
 * Lets a Machine or Cluster that is being deleted go although what it has on its host could not be removed. Its value is the
 * uid of that very object: not to be copied by a template, and not to outlive the object in somebody's manifest.
 */
export const GIVE_UP_ANNOTATION = `${GROUP}/give-up-host-objects`;

export function isGivenUp({ metadata }: Pick<KubeObject, 'metadata'>): boolean {
  return metadata.uid !== undefined && metadata.annotations?.[GIVE_UP_ANNOTATION] === metadata.uid;
}

/** The error of a deletion with both ways out: to wait, or to give up what is on the host. */
export function withRecoveryHint(error: unknown, { kind, metadata }: KubeObject): unknown {
  if (!(error instanceof CaplvError) || error.code === 'Conflict') return error;
  const { namespace = 'default', name, uid } = metadata;
  const wait =
    error instanceof TransientError
      ? 'it is tried again until it succeeds'
      : 'it is tried again after a change';
  const giveUp =
    `to delete the ${kind} and leave what is on the host: kubectl annotate ${kind.toLowerCase()} -n ${namespace} ${name} ` +
    `${GIVE_UP_ANNOTATION}=${uid}, or caplv delete ${kind.toLowerCase()} ${name} --give-up`;
  const fix = [error.fix, `${wait}; ${giveUp}`].filter(Boolean).join('; ');
  // A deletion is tried again by its back-off, whatever the first error waited for.
  return restated(error, { fix, cause: error, missing: undefined });
}
