/** Finds the objects that `caplv delete` names, and what it may be told about them. */

import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { GIVE_UP_ANNOTATION } from '../../controllers/shared/give-up.ts';
import { TerminalError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { parseWait } from '../../system/duration.ts';
import type { ClusterFlags } from './cluster-session.ts';
import { notFound, requireKind } from './errors.ts';
import { keyOf, kindOf, sortByKind } from './manifests.ts';

export interface DeleteFlags extends ClusterFlags {
  readonly filename?: readonly string[];
  readonly now?: boolean;
  readonly giveUp?: boolean;
  /** Of a Cluster: delete its machines, too. */
  readonly cascade?: boolean;
  readonly timeout?: string;
  readonly ignoreNotFound?: boolean;
}

export interface Target {
  readonly kind: ApiKind;
  readonly key: ObjectKey;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;

/** Lets objects go even if their host is away; what is left there is told. */
export async function giveUp(store: Store, targets: readonly Target[]): Promise<void> {
  for (const { kind, key } of targets) {
    const object = await store.get(kind, key);
    if (!object?.metadata.uid) continue;
    const annotations = { ...object.metadata.annotations, [GIVE_UP_ANNOTATION]: object.metadata.uid };
    await store.update(
      kind,
      { ...object, metadata: { ...object.metadata, annotations } },
      { fieldManager: 'caplv-delete' },
    );
  }
}

export function timeoutOf({ timeout }: Pick<DeleteFlags, 'timeout'>): number {
  return timeout === undefined ? DEFAULT_TIMEOUT_MS : parseWait(timeout, '--timeout');
}

export async function targetsOf(
  store: Store,
  namespace: string,
  kindName: string | undefined,
  names: readonly string[],
  flags: DeleteFlags,
): Promise<Target[]> {
  if ((flags.filename === undefined) === (kindName === undefined || names.length === 0)) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: 'delete takes either -f FILE or a kind and names',
      fix: 'for example: caplv delete machine kube-cp, or caplv delete -f deploy/examples/kube-cp.yaml',
    });
  }
  const wanted: Target[] = flags.filename
    ? sortByKind(await loadManifests(flags.filename, { namespace }))
        .reverse()
        .map(({ object }) => ({ kind: kindOf(object), key: keyOf(object) }))
    : await namedTargets(kindName ?? '', names, namespace, flags);
  const found: Target[] = [];
  for (const target of wanted) {
    const object = await store.get(target.kind, target.key);
    if (object && !flags.giveUp && target.kind.group === INFRASTRUCTURE_GROUP)
      (await import('./infrastructure.ts')).requireUnowned(target.kind, object);
    if (object) found.push(target);
    // A file is a wish that these be gone; a name that is not there is probably a slip.
    else if (!flags.filename && !flags.ignoreNotFound)
      throw notFound(target.kind, target.key.name, namespace);
  }
  return found;
}

async function namedTargets(
  kindName: string,
  names: readonly string[],
  namespace: string,
  { kubeconfig }: DeleteFlags,
): Promise<Target[]> {
  const kind = await requireKind(kindName, kubeconfig);
  return names.map((name) => ({ kind, key: { namespace, name } }));
}
