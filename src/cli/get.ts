/** `caplv get`: what is in the store, brought up to date with what libvirt shows. */

import type { ApiKind } from '../api/kind.ts';
import { CLUSTER_API_KINDS, findKindByName } from '../api/kinds.ts';
import { CaplvError, Terminal } from '../errors.ts';
import type { KubeObject, Store } from '../store/store.ts';
import { keyOf } from './apply.ts';
import { type ClusterFlags, isForCluster, withCluster } from './cluster-command.ts';
import { type Context, withContext } from './command.ts';
import { EXIT } from './exit-code.ts';
import { formatObjects, type Output } from './output.ts';
import type { Terminal as TerminalOutput } from './terminal.ts';

export interface GetFlags extends ClusterFlags {
  readonly output?: Output;
  readonly allNamespaces?: boolean;
}

export async function get(kindName: string, name: string | undefined, flags: GetFlags): Promise<number> {
  const kind = kindNamed(kindName);
  if (isForCluster(flags)) {
    return withCluster(flags, async ({ cluster, config, terminal }) => {
      const objects = await find(cluster.store, config.namespace, kind, name, flags);
      return show(terminal, config.namespace, kind, objects, name, flags);
    });
  }
  return withContext(flags, async (context) => {
    const { engine, config, terminal } = context;
    const look = () => find(engine.store, config.namespace, kind, name, flags);
    if (kind.kind === 'Machine') await observeAll(context, (await look()).map(keyOf));
    return show(terminal, config.namespace, kind, await look(), name, flags);
  });
}

async function find(
  store: Store,
  namespace: string,
  kind: ApiKind,
  name: string | undefined,
  { allNamespaces }: GetFlags,
): Promise<KubeObject[]> {
  const all = await store.list(kind, allNamespaces ? {} : { namespace });
  const named = all.filter(({ metadata }) => name === undefined || metadata.name === name);
  if (name !== undefined && named.length === 0) throw notFound(kind, name, namespace);
  return named;
}

function show(
  terminal: TerminalOutput,
  namespace: string,
  kind: ApiKind,
  objects: readonly KubeObject[],
  name: string | undefined,
  { output }: GetFlags,
): number {
  if (objects.length === 0 && (output === undefined || output === 'wide')) {
    terminal.say(`No ${kind.plural} in namespace "${namespace}". Make one with: caplv apply -f FILE`);
    return EXIT.ok;
  }
  terminal.out(formatObjects(kind, objects, output, name !== undefined));
  return EXIT.ok;
}

export function kindNamed(name: string): ApiKind {
  const kind = findKindByName(name);
  if (kind && CLUSTER_API_KINDS.includes(kind)) return kind;
  throw new Terminal({
    code: 'InvalidConfiguration',
    message: `there is no kind "${name}"`,
    fix: `use one of ${CLUSTER_API_KINDS.map(({ plural }) => plural).join(', ')}`,
  });
}

export function notFound(kind: ApiKind, name: string, namespace: string): Terminal {
  return new Terminal({
    code: 'NotFound',
    message: `there is no ${kind.kind} "${name}" in namespace "${namespace}"`,
    fix: `see which there are: caplv get ${kind.plural} --all-namespaces`,
  });
}

/** A host that does not answer leaves the last known status, and says so. */
export async function observeAll(
  { engine, terminal }: Context,
  keys: readonly { namespace: string; name: string }[],
): Promise<void> {
  const problems = new Set<string>();
  await Promise.all(
    keys.map((key) =>
      engine.machines.observe(key).catch((error) => {
        if (!(error instanceof CaplvError)) throw error;
        problems.add(error.message);
      }),
    ),
  );
  for (const problem of problems) terminal.say(`warning: shown as last known: ${problem}`);
}
