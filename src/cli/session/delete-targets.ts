/** Finds the objects that `caplv delete` names, and what it may be told about them. */

import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { KINDS } from '../../api/kinds/registry.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { GIVE_UP_ANNOTATION } from '../../controllers/shared/give-up.ts';
import { TerminalError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { parseWait } from '../../system/duration.ts';
import type { ObjectRequest } from '../names/object-arguments.ts';
import type { ClusterFlags } from './cluster-session.ts';
import { notFound, requireKinds } from './errors.ts';
import { keyOf, kindOf, sortByKind } from './manifests.ts';

export interface DeleteFlags extends ClusterFlags {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  /** All objects of the kinds in the namespace. */
  readonly all?: boolean;
  /** Kubernetes label selector. */
  readonly selector?: string;
  /** Shows what would be deleted, and deletes nothing. */
  readonly dryRun?: boolean | 'client';
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

/** How a command was told which objects to delete. Throws TerminalError InvalidConfiguration for none of the ways, or two. */
export function requireOneWay(requests: readonly ObjectRequest[], flags: DeleteFlags): void {
  const hasNames = requests.length > 0 && requests.every(({ names }) => names.length > 0);
  const ways = [flags.filename !== undefined, hasNames, flags.all ?? false, flags.selector !== undefined];
  const needsKind = (flags.all || flags.selector !== undefined) && requests.length === 0;
  const isExtra = flags.filename !== undefined && requests.length > 0;
  if (ways.filter(Boolean).length === 1 && !needsKind && !isExtra) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: 'delete takes either -f FILE or a kind and names, or a kind with --all or -l LABELS',
    fix: 'for example: caplv delete machine kube-cp, caplv delete machine/kube-cp, caplv delete machines -l app=web, or caplv delete -f deploy/examples/kube-cp.yaml',
  });
}

/** What is there of the objects that are to be deleted; what would make others in place of the rest comes first. */
export async function targetsOf(
  store: Store,
  namespace: string,
  requests: readonly ObjectRequest[],
  flags: DeleteFlags,
): Promise<Target[]> {
  const wanted = await wantedTargets(store, namespace, requests, flags);
  const found: Target[] = [];
  for (const target of wanted) {
    const object = await store.get(target.kind, target.key);
    if (object && !flags.giveUp && target.kind.group === INFRASTRUCTURE_GROUP)
      (await import('./infrastructure.ts')).requireUnowned(target.kind, object);
    if (object) found.push(target);
    // A manifest or a list may name objects that are gone by now. A name that a person wrote and that is not there is probably a mistake.
    else if (!flags.filename && !flags.all && flags.selector === undefined && !flags.ignoreNotFound)
      throw notFound(target.kind, target.key.name, namespace);
  }
  return found;
}

async function wantedTargets(
  store: Store,
  namespace: string,
  requests: readonly ObjectRequest[],
  { filename, recursive: isRecursive = false, kubeconfig, selector }: DeleteFlags,
): Promise<Target[]> {
  if (filename) {
    const manifests = await loadManifests(filename, { namespace, isRecursive });
    return sortByKind(manifests)
      .reverse()
      .map(({ object }) => ({ kind: kindOf(object), key: keyOf(object) }));
  }
  const targets: Target[] = [];
  for (const { kind, names } of await requireKinds(requests, kubeconfig)) {
    const labels = selector === undefined ? {} : { labelSelector: selector };
    const listed =
      names.length > 0
        ? names
        : (await store.list(kind, { namespace, ...labels })).map(({ metadata }) => metadata.name);
    targets.push(...listed.map((name) => ({ kind, key: { namespace, name } })));
  }
  const rank = ({ kind }: Target) => KINDS.indexOf(kind);
  return targets.sort((a, b) => rank(b) - rank(a));
}
