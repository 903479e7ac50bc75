/**
 * `providerSpec`: the part of a Machine or Cluster that is ours. Four ways to write it, all in use since 2018: inline,
 * under `value`, and either of them with an inner `spec`. Objects keep the shape that their author chose; whoever wants
 * the values reads them with `readProviderSpec` (decode-provider-spec.ts), and errors name the path at which the author wrote the field.
 */

import { z } from 'zod';
import { isMapping } from '../../apimachinery/mapping.ts';

/** A provider spec as written: any of the four shapes. */
export type ProviderSpec = Record<string, unknown>;

/** Remembers which schema stands behind a `providerSpec` field, also behind copies of it such as `.describe()` makes. */
const providerSpecs = z.registry<{ readonly inner: unknown }>();

/** The schema behind a `providerSpec` field; undefined for any other field. */
export function providerSpecOf(field: z.core.$ZodType): z.ZodObject | undefined {
  return providerSpecs.get(field)?.inner as z.ZodObject | undefined;
}

/** What may stand beside an inner `spec`. */
const ENVELOPE = ['apiVersion', 'kind', 'metadata', 'spec'];

export interface FoundProviderSpec {
  readonly spec: Record<string, unknown>;
  /** Where it was written, below `providerSpec`: [], [value], [spec] or [value, spec]. */
  readonly path: readonly string[];
  /** Fields that stand beside the wrapper they should be in. */
  readonly misplaced: readonly { readonly path: readonly string[]; readonly inside: string }[];
}

/** Finds the fields in whichever shape they were written. */
export function findProviderSpec(written: ProviderSpec): FoundProviderSpec {
  let spec = written;
  const path: string[] = [];
  const misplaced: FoundProviderSpec['misplaced'][number][] = [];
  for (const wrapper of ['value', 'spec']) {
    const inner = spec[wrapper];
    if (!isMapping(inner)) continue;
    for (const key of Object.keys(spec)) {
      const allowed = wrapper === 'spec' ? ENVELOPE.includes(key) : key === wrapper;
      if (!allowed) misplaced.push({ path: [...path, key], inside: wrapper });
    }
    spec = inner;
    path.push(wrapper);
  }
  return { spec, path, misplaced };
}

/** A `providerSpec` field whose values are described by `inner`. Its output is what was written, unchanged. */
export function providerSpecField(inner: z.ZodObject) {
  const field = z.record(z.string(), z.unknown()).check(({ value, issues }) => {
    const { spec, path, misplaced } = findProviderSpec(value);
    for (const { path: where, inside } of misplaced) {
      issues.push({
        code: 'custom',
        message: `this stands beside \`${inside}\``,
        path: [...where],
        params: { fix: `move it into \`${inside}\`` },
        input: value,
      });
    }
    for (const issue of inner.safeParse(spec).error?.issues ?? []) {
      issues.push({ ...issue, path: [...path, ...issue.path], input: spec } as z.core.$ZodRawIssue);
    }
  });
  return field.register(providerSpecs, { inner });
}
