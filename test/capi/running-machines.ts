/** Lets the machines of a management cluster become Nodes of its workload cluster, and counts those that run. */

import type { CapiWorld } from './capi-world.ts';

/** Registers the Nodes of all LibvirtMachines, as their kubelets would; then counts the Machines that run. */
export async function runningMachines({ objects, workload }: CapiWorld): Promise<number> {
  await workload.registerNodes(await objects.list('libvirtmachines.infrastructure.cluster.x-k8s.io'));
  const machines = await objects.list('machines.cluster.x-k8s.io');
  return machines.filter(({ status }) => status?.phase === 'Running').length;
}
