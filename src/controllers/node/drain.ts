/** Has the pods of a Node leave before its machine goes. */

import { isNodeReady } from './own-node.ts';
import type { NodeWriter, WorkloadNode, WorkloadPod } from './workload-node.ts';

/** Pods that a message names; of more of them only the number. */
const NAMED_PODS = 3;

/**
 * Cordons the Node and asks each pod to leave that has to, once. Returns those that are still there, for a message; empty: none is left.
 * Throws what the writer throws.
 */
export async function drainOnce(writer: NodeWriter, node: WorkloadNode): Promise<string> {
  if (!node.isUnschedulable) await writer.patch(node.name, { spec: { unschedulable: true } });
  const left: string[] = [];
  for (const pod of await writer.pods(node.name)) {
    if (!hasToLeave(pod, node)) continue;
    const outcome = pod.isEnding ? 'accepted' : await writer.evict(pod);
    if (outcome === 'gone') continue;
    const why =
      outcome === 'refused' ? 'its eviction is refused, by a PodDisruptionBudget for one' : 'ending';
    left.push(`${pod.namespace}/${pod.name} (${why})`);
  }
  if (left.length === 0) return '';
  const more = left.length > NAMED_PODS ? `, and ${left.length - NAMED_PODS} more` : '';
  return `${left.length} pods are left on Node ${node.name}: ${left.slice(0, NAMED_PODS).join(', ')}${more}`;
}

/**
 * Not so of a DaemonSet's pods, which come back at once, of pods that the kubelet has from a file, and of those that have ended. A kubelet
 * that does not answer confirms no end, so a pod that was asked to end there is not waited for.
 */
export function hasToLeave(pod: WorkloadPod, node: Pick<WorkloadNode, 'conditions'>): boolean {
  if (pod.isMirror || pod.controller === 'DaemonSet') return false;
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return false;
  return !pod.isEnding || isNodeReady(node);
}
