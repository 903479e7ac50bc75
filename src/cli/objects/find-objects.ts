/** Finds the objects that a command names, and says which are missing or cannot be read. */

import type { KubeObject } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { ObjectsOfKind } from '../output/printed-objects.ts';
import { notFound, type WantedObjects } from '../session/errors.ts';
import type { Session } from '../session/session.ts';
import { listOptions, type SelectionFlags } from './get-request.ts';
import { listByName } from './list-by-name.ts';

export interface FoundObjects extends ObjectsOfKind {
  readonly names: readonly string[];
  /** Of the names that were given. */
  readonly missing: readonly TerminalError[];
  readonly unreadable: readonly UnreadableObjectError[];
}

export interface FindFlags extends SelectionFlags {
  readonly ignoreNotFound?: boolean;
}

/** In the order of `wanted`. Throws TerminalError InvalidConfiguration for names beside a selector. */
export async function findObjects(
  { store, config: { namespace } }: Pick<Session, 'store' | 'config'>,
  wanted: readonly WantedObjects[],
  flags: FindFlags,
): Promise<FoundObjects[]> {
  requireOneWay(wanted, flags);
  const options = listOptions(flags, namespace);
  return Promise.all(
    wanted.map(async ({ kind, names }) => {
      const unreadable: UnreadableObjectError[] = [];
      const objects: KubeObject[] = await listByName(store, kind, options, names, (error) =>
        unreadable.push(error),
      );
      const there = new Set([
        ...objects.map(({ metadata }) => metadata.name),
        ...unreadable.map(({ key }) => key.name),
      ]);
      const missing = flags.ignoreNotFound
        ? []
        : names.filter((name) => !there.has(name)).map((name) => notFound(kind, name, namespace));
      return { kind, names, objects, missing, unreadable };
    }),
  );
}

/** Refuses names beside a selector. */
export function requireOneWay(
  wanted: readonly Pick<WantedObjects, 'names'>[],
  { selector }: SelectionFlags,
): void {
  if (selector === undefined || wanted.every(({ names }) => names.length === 0)) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: '--selector',
    message: 'objects are given by names and by a selector',
    fix: 'leave out the names, or the selector',
  });
}
