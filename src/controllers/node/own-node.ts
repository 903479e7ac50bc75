/** Which Node is a Machine's. */

import type { Machine } from '../../api/kinds/machine.ts';
import { instanceIdOf } from '../../intent/instance-id.ts';
import { isInfrastructure, providerID } from '../../intent/names.ts';
import type { WorkloadNode } from './workload-node.ts';

/** A providerID names one machine for ever; an address may be another's by tomorrow, so it counts only for nodes without one. */
export function nodeOf({ spec, status }: Machine, nodes: readonly WorkloadNode[]): WorkloadNode | undefined {
  const byId = nodes.find((node) => node.providerID !== undefined && node.providerID === spec.providerID);
  if (byId) return byId;
  const own = new Set(
    (status?.addresses ?? []).flatMap((one) => (one.type === 'InternalIP' ? one.address : [])),
  );
  return nodes.find((node) => !node.providerID && node.addresses.some((one) => own.has(one)));
}

/**
 * Returns the Node that may be changed because of the Machine: the only one with the providerID that follows from the Machine's uid,
 * whatever its spec says. A guest may claim any providerID, so of two with the same one none is proven.
 */
export function provenNode(machine: Machine, nodes: readonly WorkloadNode[]): WorkloadNode | undefined {
  if (isInfrastructure(machine.metadata)) return undefined;
  const id = providerID({ uid: instanceIdOf(machine) });
  const [node, another] = nodes.filter((one) => one.providerID === id);
  return another ? undefined : node;
}

/** True if its kubelet says that it takes pods. */
export function isNodeReady({ conditions }: Pick<WorkloadNode, 'conditions'>): boolean {
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}
