/** What a Cluster that failed on its hosts waits for: things that come there without a change of the Cluster. Pure. */

import { type CaplvError, type HostNeed, restated, TransientError } from '../../errors.ts';
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
  return anyOf.length === 0 ? failure : restated(failure, { missing: { kind: 'onHost', anyOf } });
}
