/** Reads the values out of a `providerSpec`. */

import type { z } from 'zod';
import { TerminalError } from '../../errors.ts';
import { fieldProblems, formatPath, formatProblem } from '../schema/problem.ts';
import { findProviderSpec, type ProviderSpec } from '../schema/provider-spec.ts';

/**
 * The values of a provider spec, with defaults. `at` is the path of the field, for errors.
 * Throws TerminalError InvalidConfiguration with all that is wrong; an object that was admitted never makes it throw.
 */
export function readProviderSpec<S extends z.ZodObject>(
  inner: S,
  written: ProviderSpec,
  at: readonly string[],
): z.output<S> {
  const { spec, path } = findProviderSpec(written);
  const result = inner.safeParse(spec);
  if (result.success) return result.data;
  const problems = fieldProblems(inner, spec).map((problem) => ({
    ...problem,
    path: [...at, ...path, ...problem.path],
  }));
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: problems.map(formatProblem).join('\n'),
    path: formatPath(problems[0]?.path ?? at),
  });
}

/**
 * The same for who looks at what was made of an object, or removes it: other rules may have admitted it than today's. What they
 * refuse stands as it was written, so make nothing from this.
 */
export function storedProviderSpec<S extends z.ZodObject>(
  inner: S,
  written: ProviderSpec,
): StoredSpec<z.output<S>> {
  const { spec } = findProviderSpec(written);
  const { success: isValid, data } = inner.safeParse(spec);
  return { isValid, spec: isValid ? data : (spec as z.output<S>) };
}

export interface StoredSpec<T> {
  /** By the rules of today. */
  readonly isValid: boolean;
  readonly spec: T;
}
