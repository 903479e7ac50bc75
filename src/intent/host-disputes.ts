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
type Shared = (typeof SHARED)[number];

/** What speaks against a site: NotOwned, with the field of the site as its path. */
export type HostConflict = ErrorDetails & { readonly path: Shared };

/** `older`: sites of older Clusters on the same host. Undefined: none manages a network or pool of this name otherwise. */
export function findConflict(site: Site, older: readonly ClusterSite[]): HostConflict | undefined {
  for (const path of SHARED) {
    const other = winnerOver(path, site, older);
    if (!other) continue;
    return {
      code: 'NotOwned',
      path,
      message: `the ${path} "${site[path].name}" of ${siteLabel(site)} is managed by the Cluster ${other.cluster}, with other values`,
      fix: `give yours another name or the same values; or give its name alone, to use that ${path} for as long as it is there`,
    };
  }
  return undefined;
}

/** The site without what an older one manages otherwise: that is only named. */
export function withoutConflicts(site: Site, older: readonly ClusterSite[]): Site {
  const isMine = (what: Shared) => winnerOver(what, site, older) === undefined;
  return {
    ...site,
    network: isMine('network') ? site.network : { name: site.network.name },
    pool: isMine('pool') ? site.pool : { name: site.pool.name },
  };
}

/** The oldest that manages it, if it does so otherwise. Who only names it is content with it as it is. */
function winnerOver(what: Shared, site: Site, older: readonly ClusterSite[]): ClusterSite | undefined {
  const mine = managed(what, site);
  if (mine === undefined) return undefined;
  const oldest = older.find((one) => one.site[what].name === mine.name && managed(what, one.site));
  return oldest && !isDeepStrictEqual(managed(what, oldest.site), mine) ? oldest : undefined;
}

function managed(what: Shared, site: Site): { readonly name: string } | undefined {
  return what === 'network' ? managedNetwork(site.network) : managedPool(site.pool);
}
