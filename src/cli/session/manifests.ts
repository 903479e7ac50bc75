/** Puts manifests into a store, in an order in which what others refer to comes first. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { findKind, KINDS } from '../../api/kinds/registry.ts';
import type { Manifest } from '../../api/manifest/manifest.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { UnreadableObjectError } from '../../store/unreadable-object.ts';
import { parseWait } from '../../system/duration.ts';
import type { Streams } from '../output/streams.ts';
import type { ClusterFlags } from './cluster-session.ts';

export interface ApplyFlags extends ClusterFlags {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  /** `true`: the flag without a value. */
  readonly dryRun?: 'client' | 'server' | true;
  /** `true`: the flag without a duration. */
  readonly wait?: string | true;
  readonly allowReplace?: boolean;
  readonly allowRestart?: boolean;
  /** MACHINE/DISK */
  readonly allowReplaceDisk?: readonly string[] | string;
}

/** Of what a person applies. */
export const FIELD_MANAGER = 'caplv';

export const DEFAULT_WAIT_MS = 5 * 60_000;

/** Milliseconds; undefined: without waiting. */
export function waitOf({ wait }: Pick<ApplyFlags, 'wait'>): number | undefined {
  if (wait === undefined) return undefined;
  return wait === true ? DEFAULT_WAIT_MS : parseWait(wait, '--wait');
}

/** What others refer to comes first. */
export function sortByKind(manifests: readonly Manifest[]): Manifest[] {
  const rank = ({ object }: Manifest) => KINDS.indexOf(kindOf(object));
  return [...manifests].sort((a, b) => rank(a) - rank(b));
}

export function kindOf(object: KubeObject): ApiKind {
  const kind = findKind(object.apiVersion, object.kind);
  if (!kind) throw new Error(`the loader let through a ${object.kind}`);
  return kind;
}

export function keyOf({ metadata }: KubeObject): ObjectKey {
  return { namespace: metadata.namespace ?? 'default', name: metadata.name };
}

/** Puts the object into the store and says what that changed. */
export async function storeManifest(store: Store, terminal: Streams, { object }: Manifest): Promise<void> {
  const kind = kindOf(object);
  const before = await store.get(kind, keyOf(object)).catch((error: unknown) => {
    if (!(error instanceof UnreadableObjectError)) throw error;
    terminal.say(`warning: ${error.message}; that file is kept beside the new one`);
    return undefined;
  });
  if (before?.metadata.deletionTimestamp) throw beingDeleted(kind, object);
  const after = await store.apply(kind, object, { fieldManager: FIELD_MANAGER, replaceUnreadable: true });
  // Secrets of a cluster have no generation.
  const version = after.metadata.generation === undefined ? 'resourceVersion' : 'generation';
  const unchanged = before?.metadata[version] === after.metadata[version];
  terminal.out(
    `${kind.singular}/${object.metadata.name} ${before ? (unchanged ? 'unchanged' : 'configured') : 'created'}`,
  );
}

function beingDeleted(kind: ApiKind, object: KubeObject): TerminalError {
  const { name } = object.metadata;
  return new TerminalError({
    code: 'Conflict',
    message: `${kind.kind} ${name} is being deleted`,
    fix: `let the deletion end first: caplv delete ${kind.singular} ${name}`,
  });
}
