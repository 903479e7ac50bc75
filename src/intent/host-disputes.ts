/**
 * Decides which Cluster owns a network or pool that several Clusters manage. They may share it if they give it the same values. The
 * owner is the Cluster whose status lists it, so that no change of another takes it away; among several, or none, the oldest.
 */

import { isDeepStrictEqual } from 'node:util';
import type { ErrorDetails } from '../errors.ts';
import { managedNetwork, managedPool } from './host-intent.ts';
import { type Site, siteLabel } from './site.ts';

const SHARED = ['network', 'pool'] as const;
type Shared = (typeof SHARED)[number];

/** Joins a site with its Cluster. */
export interface ClusterSite {
  readonly namespace: string;
  readonly name: string;
  /** RFC 3339, of its creation. */
  readonly createdAt: string;
  readonly site: Site;
  /** Names of what it has there, by its status. */
  readonly held: { readonly [what in Shared]?: string | undefined };
}

/** Explains a conflict: NotOwned, with the field of the site as its path. */
export type HostConflict = ErrorDetails & { readonly path: Shared };

/**
 * Returns the conflict with `others`, the sites of other Clusters on the same host; undefined: none gives a network or pool of the name
 * other values.
 */
export function findConflict(own: ClusterSite, others: readonly ClusterSite[]): HostConflict | undefined {
  const { site } = own;
  for (const path of SHARED) {
    const other = winnerOver(path, own, others);
    if (!other) continue;
    return {
      code: 'NotOwned',
      path,
      message: `the ${path} "${site[path].name}" of ${siteLabel(site)} is managed by the Cluster ${other.namespace}/${other.name}, with other values`,
      fix: `give yours another name or the same values; or give its name alone, to use that ${path} for as long as it is there`,
    };
  }
  return undefined;
}

/** Returns the site with only the names of what another Cluster owns with other values. */
export function withoutConflicts(own: ClusterSite, others: readonly ClusterSite[]): Site {
  const { site } = own;
  const isMine = (what: Shared) => winnerOver(what, own, others) === undefined;
  return {
    ...site,
    network: isMine('network') ? site.network : { name: site.network.name },
    pool: isMine('pool') ? site.pool : { name: site.pool.name },
  };
}

/** Returns the site of the Cluster to which the network or pool belongs; undefined: no Cluster manages it. */
export function ownerOf(what: Shared, name: string, sites: readonly ClusterSite[]): ClusterSite | undefined {
  return sites
    .filter(({ site }) => managed(what, site)?.name === name)
    .reduce<ClusterSite | undefined>(
      (first, one) => (first && precedes(what, first, one) ? first : one),
      undefined,
    );
}

/** Returns the owner, if it gives other values. A site that only names a network or pool accepts any values. */
function winnerOver(what: Shared, own: ClusterSite, others: readonly ClusterSite[]): ClusterSite | undefined {
  const mine = managed(what, own.site);
  if (mine === undefined) return undefined;
  const owner = ownerOf(what, mine.name, [own, ...others]);
  return owner && owner !== own && !isDeepStrictEqual(managed(what, owner.site), mine) ? owner : undefined;
}

function precedes(what: Shared, one: ClusterSite, other: ClusterSite): boolean {
  const [a, b] = [one, other].map((each) => [
    each.held[what] === each.site[what].name ? 0 : 1,
    each.createdAt,
    // Clusters of the same age are ordered by their names.
    `${each.namespace}/${each.name}`,
  ]) as [unknown[], unknown[]];
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 || (a[at] as string) < (b[at] as string);
}

function managed(what: Shared, site: Site): { readonly name: string } | undefined {
  return what === 'network' ? managedNetwork(site.network) : managedPool(site.pool);
}
