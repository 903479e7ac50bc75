/** `caplv describe`: one object of any kind. */

import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import type { DescribeFlags } from '../session/cluster-session.ts';
import { requireKind } from '../session/errors.ts';
import { describeMachine } from './describe-machine.ts';
import { describeTree } from './describe-tree.ts';

export async function describe(kindName: string, name: string, flags: DescribeFlags): Promise<number> {
  const kind = await requireKind(kindName, flags.kubeconfig);
  if (kind === MachineKind) return describeMachine(name, flags);
  if (kind.kind === 'LibvirtMachine') return describeMachine(`libvirtmachine/${name}`, flags);
  if (kind.group !== INFRASTRUCTURE_GROUP) return describeTree(kind, name, flags);
  return (await import('./describe-infrastructure.ts')).describeInfrastructure(kind, name, flags);
}
