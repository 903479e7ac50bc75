/** `caplv describe`: one object of any kind. */

import { LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { isCalled } from '../../api/kinds/names.ts';
import type { DescribeFlags } from '../session/describe-request.ts';
import { requireKind } from '../session/errors.ts';
import { describeMachine } from './describe-machine.ts';
import { describeTree } from './describe-tree.ts';

export async function describe(kindName: string, name: string, flags: DescribeFlags): Promise<number> {
  if (isCalled(LibvirtMachineKind, kindName)) return describeMachine(`libvirtmachine/${name}`, flags);
  const kind = requireKind(kindName);
  return kind === MachineKind ? describeMachine(name, flags) : describeTree(kind, name, flags);
}
