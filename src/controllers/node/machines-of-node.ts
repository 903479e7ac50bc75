/** Finds the Machines that a Node may be: the map function of what watches Nodes. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import type { WorkloadNode } from './workload-node.ts';

/** Indexes Machines by Node. Returns the lookup; names of Nodes are those of any cluster: one Machine too many costs little. */
export function indexByNode(machines: Informer<Machine>): (node: WorkloadNode) => Machine[] {
  machines.addIndex('node', nodeIds);
  return ({ name, providerID }) => {
    const found = [name, providerID ?? []].flat().flatMap((id) => machines.byIndex('node', id));
    return [...new Set(found)];
  };
}

/** The providerID, and the name of the Node that was found. */
function nodeIds({ spec, status }: Machine): string[] {
  return [spec.providerID ?? [], status?.nodeRef?.name ?? []].flat();
}
