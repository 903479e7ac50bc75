/** Rules that a single field's type cannot express. Declared once: zod checks them here, CEL in the API server. */

import type { z } from 'zod';
import { isMapping } from '../../apimachinery/mapping.ts';

export interface Rule<T> {
  /** Fields that the rule reads. While one of them is wrong in itself the rule is silent; the first is named in the error. */
  readonly fields: readonly (keyof T & string)[];
  /** What is wrong when the rule is broken. */
  readonly message: string;
  /** What would be right. */
  readonly fix: string;
  /** The same check for the API server. It sees objects without our defaults, so every optional field needs `has()`. */
  readonly cel: string;
  /** True when all is well. */
  check(value: T): boolean;
}

/** `schema` with further rules. All broken rules are reported, not only the first. */
export function withRules<S extends z.ZodType>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  let ruled: S = schema;
  for (const { fields, message, fix, check } of rules) {
    ruled = ruled.refine((value) => check(value), {
      message,
      path: fields.slice(0, 1),
      params: { fix },
      when: ({ value, issues }) =>
        (fields.length === 0 || isMapping(value)) &&
        !issues.some(
          (issue) => fields.length === 0 || (fields as readonly unknown[]).includes(issue.path?.[0]),
        ),
    }) as S;
  }
  return ruled.meta({
    ...schema.meta(),
    'x-kubernetes-validations': rules.map(({ cel, message, fix }) => ({
      rule: cel,
      message: `${message}; ${fix}`,
    })),
  }) as S;
}
