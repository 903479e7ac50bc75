/** Refuses kinds and names that do not exist. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { CLUSTER_API_KINDS, findKindByName } from '../../api/kinds/registry.ts';
import { TerminalError } from '../../errors.ts';

export function requireKind(name: string): ApiKind {
  const kind = findKindByName(name);
  if (kind && CLUSTER_API_KINDS.includes(kind)) return kind;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `there is no kind "${name}"`,
    fix: `use one of ${CLUSTER_API_KINDS.map(({ plural }) => plural).join(', ')}`,
  });
}

export function notFound(kind: ApiKind, name: string, namespace: string): TerminalError {
  return new TerminalError({
    code: 'NotFound',
    message: `there is no ${kind.kind} "${name}" in namespace "${namespace}"`,
    fix: `see which there are: caplv get ${kind.plural} --all-namespaces`,
  });
}
