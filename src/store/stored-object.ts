/**
 * One object of the local store with what each field manager applied, so that server-side apply works as on an API
 * server: a field that its manager leaves out disappears, a field of another manager stays.
 */

import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, ObjectMeta } from './store.ts';

type Tree = Record<string, unknown>;

/** File format of the local store. */
export interface StoredObject {
  /** The merged object as readers see it. */
  object: KubeObject;
  /** What each manager applied, oldest first: a later one wins where two disagree. */
  applied: { manager: string; fields: Tree }[];
  appliedStatus: { manager: string; fields: Tree }[];
}

/** Metadata that a manager may apply; everything else in metadata belongs to the store. */
const APPLICABLE_METADATA = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

/** Returns the record after `manager` applied `fields`; bumps generation when spec changed. */
export function applyFields(
  stored: StoredObject,
  manager: string,
  fields: { metadata: ObjectMeta; spec?: unknown },
): StoredObject {
  const metadata = Object.fromEntries(
    APPLICABLE_METADATA.flatMap((key) =>
      fields.metadata[key] === undefined ? [] : [[key, fields.metadata[key]]],
    ),
  );
  const mine: Tree = fields.spec === undefined ? { metadata } : { metadata, spec: fields.spec };
  const applied = replaceManager(stored.applied, manager, mine);
  const merged = applied.reduce<Tree>((tree, entry) => merge(tree, entry.fields), {});

  const kept = { ...stored.object.metadata };
  for (const key of APPLICABLE_METADATA) delete kept[key];
  const object: KubeObject = {
    ...stored.object,
    metadata: { ...kept, ...(merged['metadata'] as Partial<ObjectMeta>) },
    ...(merged['spec'] === undefined ? {} : { spec: merged['spec'] }),
  };
  if (!isDeepStrictEqual(object.spec, stored.object.spec)) {
    object.metadata.generation = (stored.object.metadata.generation ?? 0) + 1;
  }
  return { ...stored, object, applied };
}

/** Returns the record after `manager` replaced its part of the status. */
export function applyStatusFields(stored: StoredObject, manager: string, status: unknown): StoredObject {
  const appliedStatus = replaceManager(stored.appliedStatus, manager, (status ?? {}) as Tree);
  const merged = appliedStatus.reduce<Tree>((tree, entry) => merge(tree, entry.fields), {});
  return { ...stored, object: { ...stored.object, status: merged }, appliedStatus };
}

function replaceManager(
  entries: StoredObject['applied'],
  manager: string,
  fields: Tree,
): StoredObject['applied'] {
  return [...entries.filter((entry) => entry.manager !== manager), { manager, fields }];
}

/** Deep merge; finalizers and owner references are sets, every other list is atomic. */
function merge(base: Tree, over: Tree): Tree {
  const result: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    if (
      (key === 'finalizers' || key === 'ownerReferences') &&
      Array.isArray(before) &&
      Array.isArray(value)
    ) {
      result[key] = [
        ...before,
        ...value.filter((item) => !before.some((other) => isDeepStrictEqual(other, item))),
      ];
    } else if (isTree(before) && isTree(value)) {
      result[key] = merge(before, value);
    } else {
      result[key] = value;
    }
  }
  return result;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
