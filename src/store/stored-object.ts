/**
 * One object of the local store with what each field manager applied, so that server-side apply works as on an API
 * server: a field that its manager leaves out disappears, a field of another manager stays.
 */

import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, ObjectMeta } from '../apimachinery/object.ts';

type Tree = Record<string, unknown>;

/** File format of the local store. */
export interface StoredObject {
  /** The merged object as readers see it. */
  object: KubeObject;
  /** What each manager applied, oldest first: a later one wins where two disagree. */
  applied: { manager: string; fields: Tree }[];
  appliedStatus: { manager: string; fields: Tree }[];
}

/** Reads a file of the store; returns what is wrong with it, without its content, if it is none of an object of that name. */
export function parseStored(text: string, name: string): StoredObject | string {
  if (text.trim() === '') return 'is empty';
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return `is not JSON, or not all of it (${text.length} characters)`;
  }
  const { object, applied, appliedStatus } = (isTree(parsed) ? parsed : {}) as Partial<StoredObject>;
  const isWhole =
    isTree(object) && isTree(object.metadata) && Array.isArray(applied) && Array.isArray(appliedStatus);
  if (!isWhole) return 'is not of the form of this store';
  if (object.metadata.name !== name)
    return `is of ${JSON.stringify(object.metadata.name)}, and not of ${JSON.stringify(name)}`;
  return parsed as StoredObject;
}

/** An object, or a part of one, that a manager writes. */
type Applicable = Partial<KubeObject> & { readonly metadata: ObjectMeta };

/** Metadata that a manager may apply; everything else in metadata belongs to the store. */
const APPLICABLE_METADATA = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

/** Returns the record after `manager` applied `fields`; bumps generation when spec changed. */
export function applyFields(stored: StoredObject, manager: string, fields: Applicable): StoredObject {
  return withApplied(stored, replaceManager(stored.applied, manager, applicable(fields)));
}

/**
 * Returns the record after `manager` replaced metadata and spec as a whole: what it changed becomes its own, what it took
 * away is nobody's any more, everything else stays with those who applied it.
 */
export function replaceFields(stored: StoredObject, manager: string, fields: Applicable): StoredObject {
  const wanted = applicable(fields);
  const others = stored.applied
    .filter((entry) => entry.manager !== manager)
    .map((entry) => ({ ...entry, fields: common(entry.fields, wanted) }));
  const held = others.reduce<Tree>((tree, entry) => merge(tree, entry.fields), {});
  return withApplied(stored, [...others, { manager, fields: remainder(wanted, held) }]);
}

/** Returns what of an object may be written: parts of its metadata, and all that is neither identity nor status, as `data` of a Secret. */
function applicable({ metadata, ...fields }: Applicable): Tree {
  const { apiVersion: _, kind: __, status: ___, ...content } = fields as Partial<KubeObject>;
  const written = APPLICABLE_METADATA.flatMap((key) =>
    metadata[key] === undefined ? [] : [[key, metadata[key]]],
  );
  const given = Object.entries(content).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), metadata: Object.fromEntries(written) };
}

/** Returns the object as the managers together have it; bumps generation when more than its metadata changed. */
function withApplied(stored: StoredObject, applied: StoredObject['applied']): StoredObject {
  const { metadata, ...content } = applied.reduce<Tree>((tree, entry) => merge(tree, entry.fields), {});
  const kept = { ...stored.object.metadata };
  for (const key of APPLICABLE_METADATA) delete kept[key];
  const before = { ...stored.object } as Tree;
  for (const key of contentKeys(stored.applied)) if (key !== 'spec') delete before[key];
  const object = {
    ...before,
    metadata: { ...kept, ...(metadata as Partial<ObjectMeta>) },
    ...content,
  } as unknown as KubeObject;
  if (!isDeepStrictEqual({ ...object, metadata: {} }, { ...stored.object, metadata: {} })) {
    object.metadata.generation = (stored.object.metadata.generation ?? 0) + 1;
  }
  return { ...stored, object, applied };
}

/** Lists the fields beside metadata that managers applied. */
function contentKeys(applied: StoredObject['applied']): string[] {
  return applied.flatMap(({ fields }) => Object.keys(fields)).filter((key) => key !== 'metadata');
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
    if (isSet(key) && Array.isArray(before) && Array.isArray(value)) {
      result[key] = [...before, ...value.filter((item) => !includes(before, item))];
    } else if (isTree(before) && isTree(value)) {
      result[key] = merge(before, value);
    } else {
      result[key] = value;
    }
  }
  return result;
}

/** What of `fields` is in `wanted` with the same value. */
function common(fields: Tree, wanted: Tree): Tree {
  const result: Tree = {};
  for (const [key, value] of Object.entries(fields)) {
    const other = wanted[key];
    if (isSet(key) && Array.isArray(value) && Array.isArray(other)) {
      result[key] = value.filter((item) => includes(other, item));
    } else if (isTree(value) && isTree(other)) {
      result[key] = common(value, other);
    } else if (isDeepStrictEqual(value, other)) {
      result[key] = value;
    }
  }
  return result;
}

/** What of `wanted` is not in `held`. */
function remainder(wanted: Tree, held: Tree): Tree {
  const result: Tree = {};
  for (const [key, value] of Object.entries(wanted)) {
    const other = held[key];
    if (isSet(key) && Array.isArray(value) && Array.isArray(other)) {
      result[key] = value.filter((item) => !includes(other, item));
    } else if (isTree(value) && isTree(other)) {
      result[key] = remainder(value, other);
    } else if (!isDeepStrictEqual(value, other)) {
      result[key] = value;
    }
  }
  return result;
}

function isSet(key: string): boolean {
  return key === 'finalizers' || key === 'ownerReferences';
}

function includes(list: readonly unknown[], item: unknown): boolean {
  return list.some((other) => isDeepStrictEqual(other, item));
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
