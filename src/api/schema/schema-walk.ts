/** Walks an object together with its schema, so that what a schema says of a field can be done to the field's value. */

import { z } from 'zod';
import { providerSpecOf } from './provider-spec.ts';

/** What our schemas say of a field besides its type. */
export interface FieldMeta {
  /** Its value is secret: never shown, never substituted. */
  readonly sensitive?: boolean;
  /** It names a file; in a manifest it may be relative to the manifest. */
  readonly file?: boolean;
  /** The form of a right value, in words. */
  readonly form?: string;
}

/** The schema under optional, default, nullable and lazy. */
export function bareSchema(schema: z.ZodType): z.ZodType {
  let bare = schema;
  while (WRAPPERS.some((wrapper) => bare instanceof wrapper)) {
    bare = (bare as z.ZodOptional<z.ZodType>).unwrap();
  }
  return bare;
}

const WRAPPERS = [z.ZodOptional, z.ZodDefault, z.ZodNullable, z.ZodLazy] as const;

/** What the schema says of the field, wherever between optional and type it says it. */
export function fieldMeta(schema: z.ZodType): FieldMeta {
  return { ...bareSchema(schema).meta(), ...schema.meta() } as FieldMeta;
}

/** Schema of a field or list item of `schema`; undefined if it has none of that name. */
export function childSchema(schema: z.ZodType, key: PropertyKey): z.ZodType | undefined {
  const bare = bareSchema(schema);
  const providerSpec = providerSpecOf(bare);
  if (providerSpec) return key === 'value' || key === 'spec' ? bare : childSchema(providerSpec, key);
  // Objects have a `constructor`, too, which is no field of theirs.
  if (bare instanceof z.ZodObject)
    return Object.hasOwn(bare.shape, key) ? (bare.shape[String(key)] as z.ZodType) : undefined;
  if (bare instanceof z.ZodArray) return bare.element as z.ZodType;
  if (bare instanceof z.ZodRecord) return bare.valueType as z.ZodType;
  return undefined;
}

/** Names of the fields of `schema`; none if it is no object or its names are free. */
export function fieldNames(schema: z.ZodType): string[] {
  const bare = bareSchema(schema);
  const object = providerSpecOf(bare) ?? bare;
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

/** Schema at `path`; undefined where the schema ends. */
export function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>((at, key) => at && childSchema(at, key), schema);
}

/** A copy of `value` in which each field that `schema` knows and that holds no other fields has gone through `change`. */
export function mapFields(
  schema: z.ZodType,
  value: unknown,
  change: (value: unknown, schema: z.ZodType, path: readonly PropertyKey[]) => unknown,
  path: readonly PropertyKey[] = [],
): unknown {
  if (typeof value !== 'object' || value === null || fieldMeta(schema).sensitive)
    return change(value, schema, path);
  const child = (item: unknown, key: PropertyKey) => {
    const itemSchema = childSchema(schema, key);
    return itemSchema ? mapFields(itemSchema, item, change, [...path, key]) : item;
  };
  if (Array.isArray(value)) return value.map(child);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, child(item, key)]));
}
