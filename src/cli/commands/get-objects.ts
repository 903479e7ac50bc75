/** `caplv get`: what is in the store, brought up to date with what libvirt shows. Begun by get.ts. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import { reportError } from '../output/errors.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatObjects } from '../output/objects.ts';
import type { Streams } from '../output/streams.ts';
import { notFound, requireKind } from '../session/errors.ts';
import type { DomainPrefetch, GetFlags } from '../session/get-request.ts';
import { listByName } from '../session/list-by-name.ts';
import { withSession } from '../session/session.ts';

/** `asked`: about Machines; absent where none is to be asked. */
export async function get(
  kindName: string,
  name: string | undefined,
  flags: GetFlags,
  asked?: DomainPrefetch,
): Promise<number> {
  const kind = await requireKind(kindName, flags.kubeconfig);
  return withSession(
    flags,
    async (session) => {
      const { store, config, terminal } = session;
      if (asked) await session.refresh(asked.machines);
      const broken: UnreadableObjectError[] = [];
      const objects = await find(store, config.namespace, kind, name, flags, broken);
      // All that there is of them is broken: nothing is shown of none.
      const isShown = objects.length > 0 || broken.length === 0;
      const code = isShown ? await show(terminal, config.namespace, kind, objects, name, flags) : EXIT.failed;
      for (const error of broken) reportError(terminal, error);
      return broken.length > 0 ? EXIT.failed : code;
    },
    asked && { libvirt: asked.libvirt },
  );
}

async function find(
  store: Store,
  namespace: string,
  kind: ApiKind,
  name: string | undefined,
  { allNamespaces }: GetFlags,
  broken: UnreadableObjectError[],
): Promise<KubeObject[]> {
  const options = allNamespaces ? {} : { namespace };
  const named = await listByName(store, kind, options, name, (error) => broken.push(error));
  if (name !== undefined && named.length + broken.length === 0) throw notFound(kind, name, namespace);
  return named;
}

async function show(
  terminal: Streams,
  namespace: string,
  kind: ApiKind,
  objects: readonly KubeObject[],
  name: string | undefined,
  { output }: GetFlags,
): Promise<number> {
  if (objects.length === 0 && (output === undefined || output === 'wide')) {
    const isOriginal = kind.group === GROUP;
    const how = isOriginal ? 'caplv apply -f FILE' : 'clusterctl generate cluster NAME | kubectl apply -f -';
    terminal.say(`No ${kind.plural} in namespace "${namespace}". Make one with: ${how}`);
    return EXIT.ok;
  }
  terminal.out(await formatObjects(kind, objects, output, name !== undefined));
  return EXIT.ok;
}
