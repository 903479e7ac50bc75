/** The annotation that stops all work on an object while it is there. */

import type { KubeObject } from '../../apimachinery/object.ts';

export const PAUSED_ANNOTATION = 'cluster-api.k8s.io/paused';

/** True for an object that controllers leave alone. */
export function isPaused({ metadata }: Pick<KubeObject, 'metadata'>): boolean {
  return metadata.annotations?.[PAUSED_ANNOTATION] !== undefined;
}
