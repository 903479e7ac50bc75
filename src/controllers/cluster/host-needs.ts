/** What a Cluster that failed on its hosts waits for: things that come there without a change of the Cluster. Pure. */

import {
  type CaplvError,
  type ErrorDetails,
  type HostNeed,
  TerminalError,
  TransientError,
} from '../../errors.ts';
import type { NamedSite } from '../../intent/site.ts';

/** `failures`: by the libvirt URI of a site, or by another key for what failed on none in particular. */
export function hostNeeds(
  failures: ReadonlyMap<string, CaplvError>,
  sites: readonly Pick<NamedSite, 'uri' | 'network' | 'pool'>[],
): HostNeed[] {
  return [...failures].flatMap(([key, failure]) => {
    if (failure.missing?.kind === 'onHost') return failure.missing.anyOf;
    const site = sites.find(({ uri }) => uri === key);
    return site ? (needOf(failure, site) ?? []) : [];
  });
}

function needOf(
  failure: CaplvError,
  { uri, network, pool }: Pick<NamedSite, 'uri' | 'network' | 'pool'>,
): HostNeed | undefined {
  switch (failure.code) {
    case 'LibvirtUnreachable':
      // A URI that cannot be used stays so.
      return failure instanceof TransientError ? { what: 'host', uri } : undefined;
    case 'NetworkNotFound':
      return { what: 'network', uri, name: network.name };
    case 'PoolNotFound':
      return { what: 'pool', uri, name: pool.name };
    default:
      return undefined;
  }
}

/** Returns the same failure, which passes when one of these is there. */
export function untilThere(failure: CaplvError, anyOf: readonly HostNeed[]): CaplvError {
  if (anyOf.length === 0) return failure;
  const { code, message, fix, path, cause } = failure;
  const details: ErrorDetails = {
    ...{ code, message, cause, missing: { kind: 'onHost', anyOf } },
    ...(fix !== undefined && { fix }),
    ...(path !== undefined && { path }),
  };
  return failure instanceof TransientError
    ? new TransientError({ ...details, retryAfterMs: failure.retryAfterMs })
    : new TerminalError(details);
}
