/** Several Clusters may manage one network or pool of a host, as long as they manage it alike: it is the oldest one's. */

import { isDeepStrictEqual } from 'node:util';
import type { ErrorDetails } from '../errors.ts';
import { managedNetwork, managedPool } from './host-intent.ts';
import { type Site, siteLabel } from './site.ts';

/** A site, and the Cluster whose it is. */
export interface ClusterSite {
  /** NAMESPACE/NAME */
  readonly cluster: string;
  readonly site: Site;
}

const SHARED = ['network', 'pool'] as const;

/** What speaks against a site: NotOwned, with the field of the site as its path. */
export type Dispute = ErrorDetails & { readonly path: (typeof SHARED)[number] };

/** `older`: sites of older Clusters on the same host. Undefined: none manages a network or pool of this name otherwise. */
export function disputeOver(site: Site, older: readonly ClusterSite[]): Dispute | undefined {
  for (const path of SHARED) {
    const other = older.find((one) => !isManagedAlike(path, site, one.site));
    if (!other) continue;
    return {
      code: 'NotOwned',
      path,
      message: `the ${path} "${site[path].name}" of ${siteLabel(site)} is managed by the Cluster ${other.cluster}, with other values`,
      fix: `give yours another name; or give its name alone, to use that ${path} as it is`,
    };
  }
  return undefined;
}

/** The site without what an older one manages otherwise: that is only named. */
export function undisputed(site: Site, older: readonly ClusterSite[]): Site {
  const isMine = (what: (typeof SHARED)[number]) =>
    older.every((other) => isManagedAlike(what, site, other.site));
  return {
    ...site,
    network: isMine('network') ? site.network : { name: site.network.name },
    pool: isMine('pool') ? site.pool : { name: site.pool.name },
  };
}

/** Who only names it is content with it as it is. */
function isManagedAlike(what: (typeof SHARED)[number], one: Site, other: Site): boolean {
  if (one[what].name !== other[what].name) return true;
  const [mine, theirs] =
    what === 'network'
      ? [managedNetwork(one.network), managedNetwork(other.network)]
      : [managedPool(one.pool), managedPool(other.pool)];
  return mine === undefined || theirs === undefined || isDeepStrictEqual(mine, theirs);
}
