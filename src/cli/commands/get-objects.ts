/** `caplv get`: what is in the store, brought up to date with what libvirt shows. Begun by get.ts. */

import { GROUP } from '../../api/schema/group.ts';
import type { CaplvError } from '../../errors.ts';
import type { ObjectRequest } from '../names/object-arguments.ts';
import { type FoundObjects, findObjects } from '../objects/find-objects.ts';
import type { DomainPrefetch, GetFlags } from '../objects/get-request.ts';
import { reportError } from '../output/errors.ts';
import { EXIT } from '../output/exit-code.ts';
import { openPrinter } from '../output/object-printer.ts';
import type { ObjectPrinter } from '../output/printed-objects.ts';
import { requireKinds, type WantedObjects } from '../session/errors.ts';
import { type Session, withSession } from '../session/session.ts';

/** `asked`: about Machines; absent where none is to be asked. */
export async function get(
  requests: readonly ObjectRequest[],
  flags: GetFlags,
  asked?: DomainPrefetch,
): Promise<number> {
  const wanted = await requireKinds(requests, flags.kubeconfig);
  const printer = await openPrinter({
    output: flags.output,
    hasHeader: flags.headers ?? true,
    showNamespace: flags.allNamespaces ?? false,
    showKind: wanted.length > 1,
    showLabels: flags.showLabels ?? false,
    showEvents: flags.outputWatchEvents ?? false,
  });
  const compare = flags.sortBy === undefined ? undefined : await comparison(flags.sortBy);
  const isWatch = flags.watch || flags.watchOnly || false;
  return withSession(
    flags,
    async (session) => {
      if (asked) await session.refresh(asked.machines);
      const found = await findObjects(session, wanted, flags);
      const sorted = compare
        ? found.map((group) => ({ ...group, objects: group.objects.toSorted(compare) }))
        : found;
      if (isWatch) {
        const { watchObjects } = await import('../objects/watch-objects.ts');
        return watchObjects(session, sorted, flags, printer);
      }
      return show(session, printer, wanted, sorted, flags);
    },
    { ...(asked && { libvirt: asked.libvirt }), isWatch },
  );
}

async function comparison(path: string): Promise<(a: unknown, b: unknown) => number> {
  const { comparePaths } = await import('../objects/sort-order.ts');
  return comparePaths(path);
}

function show(
  { terminal, config: { namespace } }: Session,
  printer: ObjectPrinter,
  wanted: readonly WantedObjects[],
  found: readonly FoundObjects[],
  flags: GetFlags,
): number {
  const problems = found.flatMap(({ missing, unreadable }): CaplvError[] => [...missing, ...unreadable]);
  const count = found.reduce((sum, { objects }) => sum + objects.length, 0);
  const isOne = count === 1 && wanted.length === 1 && wanted[0]?.names.length === 1;
  // Where all that was named is missing or broken, nothing is shown of none.
  if (count > 0 || (problems.length === 0 && !printer.isForPeople)) terminal.out(printer.all(found, isOne));
  else if (problems.length === 0) terminal.say(nothing(wanted, namespace, flags));
  for (const error of problems) reportError(terminal, error);
  return problems.length > 0 ? EXIT.failed : EXIT.ok;
}

function nothing(
  wanted: readonly WantedObjects[],
  namespace: string,
  { allNamespaces, selector, ignoreNotFound }: GetFlags,
): string {
  const kinds = wanted.map(({ kind }) => kind.plural).join(', ');
  const where = allNamespaces ? 'in any namespace' : `in namespace "${namespace}"`;
  if (selector !== undefined) return `No ${kinds} ${where} with labels that ${selector} selects.`;
  if (ignoreNotFound || wanted.some(({ names }) => names.length > 0)) return `No such ${kinds} ${where}.`;
  const isOriginal = wanted.some(({ kind }) => kind.group === GROUP);
  const how = isOriginal ? 'caplv apply -f FILE' : 'clusterctl generate cluster NAME | kubectl apply -f -';
  return `No ${kinds} ${where}. Make one with: ${how}`;
}
