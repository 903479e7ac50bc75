/** Finds the kinds that commands name, and refuses kinds and names that do not exist. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { CLUSTER_API_KINDS, findKindByName } from '../../api/kinds/registry.ts';
import { TerminalError } from '../../errors.ts';
import type { ObjectRequest } from '../names/object-arguments.ts';

/**
 * The kind that a person means; a name that both APIs have is the original one's. Throws TerminalError InvalidConfiguration.
 * `kubeconfig`: of the cluster that the command works on; undefined: it works on the local store.
 */
export async function requireKind(name: string, kubeconfig: string | undefined): Promise<ApiKind> {
  const kind = findKindByName(name);
  if (kind && CLUSTER_API_KINDS.includes(kind)) return kind;
  // Loaded only for those who name one: the schemas take time.
  const { infrastructureKind } = await import('./infrastructure.ts');
  const other = infrastructureKind(name, kubeconfig);
  if (other) return other;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `there is no kind "${name}"`,
    fix: `use one of ${CLUSTER_API_KINDS.map(({ plural }) => plural).join(', ')}; with --kubeconfig also libvirtmachines, libvirtclusters and their templates`,
  });
}

/** Objects of a kind that a command is about. */
export interface WantedObjects {
  readonly kind: ApiKind;
  /** Empty: all of them. */
  readonly names: readonly string[];
}

/** The kinds of `requests`; those of one kind by several names become one. Throws as `requireKind`. */
export async function requireKinds(
  requests: readonly ObjectRequest[],
  kubeconfig: string | undefined,
): Promise<WantedObjects[]> {
  const wanted = new Map<ApiKind, readonly string[]>();
  for (const { kindName, names } of requests) {
    const kind = await requireKind(kindName, kubeconfig);
    wanted.set(kind, [...new Set([...(wanted.get(kind) ?? []), ...names])]);
  }
  return [...wanted].map(([kind, names]) => ({ kind, names }));
}

export function notFound(kind: ApiKind, name: string, namespace: string): TerminalError {
  return new TerminalError({
    code: 'NotFound',
    message: `there is no ${kind.kind} "${name}" in namespace "${namespace}"`,
    fix: `see which there are: caplv get ${kind.plural} --all-namespaces`,
  });
}
