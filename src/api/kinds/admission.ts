/** What an API server does with our CRDs before it stores an object; for stores that have no API server. */

import type { KubeObject } from '../../apimachinery/object.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';
import { TerminalError } from '../../errors.ts';
import { canonicalApiVersion } from '../schema/group.ts';
import { fieldProblems, formatPath, formatProblem } from '../schema/problem.ts';
import { ACCEPTED_KINDS, findKind } from './registry.ts';

/**
 * The object with its defaults filled in. Its status is not looked at: controllers write it, not people.
 * Throws TerminalError InvalidConfiguration that names every field at fault.
 */
export function admit<T extends KubeObject>(object: T): T {
  const kind = findKind(object.apiVersion, object.kind);
  if (!kind) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `${object.apiVersion} ${object.kind} is not a kind that is known here`,
      fix: `use ${ACCEPTED_KINDS}`,
      path: 'kind',
    });
  }
  const { status, ...written } = { ...object, apiVersion: canonicalApiVersion(object.apiVersion) };
  const problems = fieldProblems(kind.schema, written);
  if (problems.length > 0) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `${object.kind} ${formatKey(keyOf(object))}: ${problems.map(formatProblem).join('\n')}`,
      path: formatPath(problems[0]?.path ?? []),
    });
  }
  const admitted = kind.schema.parse(written) as T;
  return status === undefined ? admitted : { ...admitted, status };
}
