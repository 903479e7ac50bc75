/** `caplv events`: what happened to objects of a cluster. */

import { type CaplvError, TerminalError } from '../../errors.ts';
import { parseObjectArguments } from '../names/object-arguments.ts';
import { byTime, eventData, eventsTable, isOurs } from '../objects/events.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { requireKinds } from '../session/errors.ts';
import { withSession } from '../session/session.ts';

export interface EventsFlags extends ClusterFlags {
  readonly allNamespaces?: boolean;
  /** Only of this type. */
  readonly types?: string;
  readonly output?: 'json' | 'yaml';
  readonly headers?: boolean;
}

/** `words`: the objects; none: all of ours. Throws TerminalError InvalidConfiguration over the local store, which keeps none. */
export async function showEvents(words: readonly string[], flags: EventsFlags): Promise<number> {
  const requests = words.length > 0 ? parseObjectArguments(words) : [];
  const wanted = await requireKinds(requests, flags.kubeconfig);
  if (flags.kubeconfig === undefined) throw noEvents();
  return withSession(flags, async ({ events: list, terminal, config }) => {
    if (!list) throw noEvents();
    const namespace = flags.allNamespaces ? undefined : config.namespace;
    const isWanted = ({ kind, name }: { readonly kind: string; readonly name: string }) =>
      wanted.length === 0 ||
      wanted.some((one) => one.kind.kind === kind && (one.names.length === 0 || one.names.includes(name)));
    const events = (await list({ namespace }))
      .filter((event) => isOurs(event) && isWanted(event.involvedObject))
      .filter(({ type }) => flags.types === undefined || flags.types.split(',').includes(type))
      .sort(byTime);
    const shown = { showNamespace: flags.allNamespaces ?? false, showObject: true };
    if (flags.output) terminal.out(formatData(events.map(eventData), flags.output));
    else if (events.length > 0)
      terminal.out(eventsTable(events, { ...shown, hasHeader: flags.headers ?? true }));
    else
      terminal.say(
        `No events ${namespace === undefined ? 'in any namespace' : `in namespace "${namespace}"`}.`,
      );
    return EXIT.ok;
  });
}

function noEvents(): CaplvError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    path: '--kubeconfig',
    message: 'events are kept by an API server, and the local store has none',
    fix: 'see conditions and the last operation of an object: caplv describe machine/NAME; of a cluster: --kubeconfig FILE',
  });
}
