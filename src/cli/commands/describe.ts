/** `caplv describe`: objects of any kind in detail, one after the other. */

import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { parseLabelSelector } from '../../apimachinery/label-selector.ts';
import type { CaplvError } from '../../errors.ts';
import { parseObjectArguments } from '../names/object-arguments.ts';
import type { Description } from '../objects/description.ts';
import { describedEvents } from '../objects/events.ts';
import { findObjects } from '../objects/find-objects.ts';
import type { SelectionFlags } from '../objects/get-request.ts';
import { reportError } from '../output/errors.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import { requireKinds } from '../session/errors.ts';
import { type Session, withSession } from '../session/session.ts';
import { describeMachine } from './describe-machine.ts';
import { describeTree } from './describe-tree.ts';

export interface DescribeFlags extends SelectionFlags {
  readonly output?: 'json' | 'yaml';
}

export async function describe(words: readonly string[], flags: DescribeFlags): Promise<number> {
  const wanted = await requireKinds(parseObjectArguments(words), flags.kubeconfig);
  parseLabelSelector(flags.selector ?? '');
  return withSession(flags, async (session) => {
    const { terminal } = session;
    const found = await findObjects(session, wanted, flags);
    const problems: CaplvError[] = found.flatMap(({ missing, unreadable }) => [...missing, ...unreadable]);
    const described: Description[] = [];
    for (const { kind, objects } of found) {
      for (const { metadata } of objects)
        described.push(await describeOne(session, kind, metadata.namespace ?? 'default', metadata.name));
    }
    const [first, ...more] = described;
    if (first && flags.output)
      terminal.out(
        formatData(more.length > 0 ? described.map(({ data }) => data) : first.data, flags.output),
      );
    else if (first) terminal.out(described.map(({ text }) => text).join('\n\n'));
    else if (problems.length === 0)
      terminal.say(`No ${wanted.map(({ kind }) => kind.plural).join(', ')} to describe.`);
    problems.push(...described.flatMap(({ unreadable }) => unreadable ?? []));
    for (const error of problems) reportError(terminal, error);
    return problems.length > 0 ? EXIT.failed : EXIT.ok;
  });
}

/** With its events, if any are kept. */
async function describeOne(
  session: Session,
  kind: ApiKind,
  namespace: string,
  name: string,
): Promise<Description> {
  const described = await describeObject(session, kind, namespace, name);
  const events = await describedEvents(session, kind, namespace, name);
  if (!events) return described;
  return {
    ...described,
    text: `${described.text}${events.text}`,
    data: { ...described.data, ...events.data },
  };
}

async function describeObject(
  session: Session,
  kind: ApiKind,
  namespace: string,
  name: string,
): Promise<Description> {
  if (kind === MachineKind) return describeMachine(session, namespace, name);
  if (kind.kind === 'LibvirtMachine') return describeMachine(session, namespace, `libvirtmachine/${name}`);
  if (kind.group !== INFRASTRUCTURE_GROUP) return describeTree(session, kind, namespace, name);
  return (await import('./describe-infrastructure.ts')).describeInfrastructure(
    session,
    kind,
    namespace,
    name,
  );
}
