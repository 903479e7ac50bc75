/** `caplv get --watch`: shows objects as they are, and then each change, until Ctrl-C or until nothing reads any more. */

import type { KubeObject, ObjectMeta } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { reportError } from '../output/errors.ts';
import { EXIT } from '../output/exit-code.ts';
import type { ObjectPrinter } from '../output/printed-objects.ts';
import type { Session } from '../session/session.ts';
import type { FoundObjects } from './find-objects.ts';
import { type GetFlags, listOptions } from './get-request.ts';

/** `found`: what was there just before, of one kind. */
export async function watchObjects(
  session: Session,
  found: readonly FoundObjects[],
  flags: GetFlags,
  printer: ObjectPrinter,
): Promise<number> {
  const { terminal } = session;
  const [group, ...more] = found;
  if (!group || more.length > 0) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: '--watch',
      message: 'objects of one kind can be watched at a time',
      fix: 'name one kind, and watch others in another terminal',
    });
  }
  const [missing] = group.missing;
  if (missing) throw missing;
  for (const error of group.unreadable) reportError(terminal, error);
  if (!flags.watchOnly && group.objects.length > 0)
    terminal.out(printer.next(group.kind, group.objects, 'ADDED'));
  for await (const { event, object } of changesOf(session, group, flags))
    terminal.out(printer.next(group.kind, [object], event));
  return session.signal.aborted ? EXIT.interrupted : EXIT.ok;
}

interface Change {
  readonly event: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

/** What happens to the objects after they were found; what happened until the watch began is made up for. */
async function* changesOf(
  { store, config: { namespace }, signal }: Session,
  { kind, names, objects }: FoundObjects,
  flags: GetFlags,
): AsyncIterable<Change> {
  const known = new Map(objects.map((object) => [keyText(object.metadata), object]));
  const unseen = new Set(known.keys());
  const ends = AbortSignal.any([signal, outputClosed()]);
  const options = { ...listOptions(flags, namespace), onUnreadable: () => {}, signal: ends };
  for await (const event of store.watch(kind, options)) {
    if (event.type === 'SYNCED') {
      for (const key of unseen) {
        const object = known.get(key);
        if (object) yield { event: 'DELETED', object };
        known.delete(key);
      }
      unseen.clear();
      continue;
    }
    const { object } = event;
    const { metadata } = object;
    if (names.length > 0 && !names.includes(metadata.name)) continue;
    const before = known.get(keyText(metadata));
    unseen.delete(keyText(metadata));
    if (event.type === 'DELETED') {
      known.delete(keyText(metadata));
      yield { event: 'DELETED', object };
      continue;
    }
    known.set(keyText(metadata), object);
    if (before?.metadata.resourceVersion === metadata.resourceVersion) continue;
    yield { event: before ? 'MODIFIED' : 'ADDED', object };
  }
}

function keyText({ namespace = '', name }: ObjectMeta): string {
  return `${namespace}/${name}`;
}

/** Aborts when what reads standard output has gone, as `head` does after its lines. */
function outputClosed(): AbortSignal {
  const closed = new AbortController();
  process.stdout.once('error', () => closed.abort());
  return closed.signal;
}
