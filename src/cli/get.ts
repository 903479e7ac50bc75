/** `caplv get`: what is in the store, brought up to date with what libvirt shows. */

import type { ApiKind } from '../api/kind.ts';
import { CLUSTER_API_KINDS, findKindByName } from '../api/kinds.ts';
import type { GlobalFlags } from '../config.ts';
import { CaplvError, Terminal } from '../errors.ts';
import { type Context, withContext } from './command.ts';
import { EXIT } from './exit-code.ts';
import { formatObjects, type Output } from './output.ts';

export interface GetFlags extends GlobalFlags {
  readonly output?: Output;
  readonly allNamespaces?: boolean;
}

export async function get(kindName: string, name: string | undefined, flags: GetFlags): Promise<number> {
  const kind = kindNamed(kindName);
  return withContext(flags, async (context) => {
    const { engine, config, terminal } = context;
    const scope = flags.allNamespaces ? {} : { namespace: config.namespace };
    const keys = (await engine.store.list(kind, scope))
      .map(({ metadata }) => ({ namespace: metadata.namespace ?? 'default', name: metadata.name }))
      .filter((key) => name === undefined || key.name === name);
    if (name !== undefined && keys.length === 0) throw notFound(kind, name, config.namespace);
    if (kind.kind === 'Machine') await observeAll(context, keys);
    const objects = (await Promise.all(keys.map((key) => engine.store.get(kind, key)))).filter(
      (object) => object !== undefined,
    );
    if (objects.length === 0 && (flags.output === undefined || flags.output === 'wide')) {
      terminal.say(
        `No ${kind.plural} in namespace "${config.namespace}". Make one with: caplv apply -f FILE`,
      );
      return EXIT.ok;
    }
    terminal.out(formatObjects(kind, objects, flags.output, name !== undefined));
    return EXIT.ok;
  });
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
