/** One reconciler for the objects of both APIs: their keys say which it is. */

import type { ObjectKey } from '../../apimachinery/object.ts';
import { isInfrastructure } from '../../intent/names.ts';
import type { Result } from '../../kube/runtime/controller.ts';

interface Reconciler {
  reconcile(key: ObjectKey): Promise<Result>;
}

export function byApi(original: Reconciler, infrastructure: Reconciler): Reconciler {
  return { reconcile: (key) => (isInfrastructure(key) ? infrastructure : original).reconcile(key) };
}
