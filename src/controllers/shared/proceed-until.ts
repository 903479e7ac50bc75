/** A person's word for what was stopped because too much was about to happen at once. */

import { GROUP } from '../../api/schema/group.ts';
import type { KubeObject } from '../../apimachinery/object.ts';

/**
 * Its value is the time (RFC 3339) until which repairs of this Machine, or of all machines of this MachineSet or Cluster, go
 * on whatever the budget says. A time, so that a word that was given once is not still there at the next accident.
 */
export const PROCEED_UNTIL_ANNOTATION = `${GROUP}/proceed-until`;

export function mayProceed({ metadata }: Pick<KubeObject, 'metadata'>, nowMs: number): boolean {
  const until = metadata.annotations?.[PROCEED_UNTIL_ANNOTATION];
  // What is no time is no word.
  return until !== undefined && Date.parse(until) > nowMs;
}

export function overrideHint(what: string): string {
  return `when you know the cause, let it continue: kubectl annotate ${what} ${PROCEED_UNTIL_ANNOTATION}=$(date -ud '+1 hour' +%FT%TZ)`;
}
