/** `caplv describe`: one object of any kind. */

import { MachineKind } from '../../api/kinds/machine.ts';
import type { DescribeFlags } from '../session/describe-request.ts';
import { requireKind } from '../session/errors.ts';
import { describeMachine } from './describe-machine.ts';
import { describeTree } from './describe-tree.ts';

export async function describe(kindName: string, name: string, flags: DescribeFlags): Promise<number> {
  const kind = requireKind(kindName);
  return kind === MachineKind ? describeMachine(name, flags) : describeTree(kind, name, flags);
}
