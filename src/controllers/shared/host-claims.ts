/** What the Clusters of the store manage on a host, and so whose its networks and pools are. */

import type { MadeObjects } from '../../actuator/host-actuator.ts';
import { type Cluster, ClusterKind, storedClusterSpec } from '../../api/kinds/cluster.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import type { ClusterSite } from '../../intent/host-disputes.ts';
import type { Policy } from '../../intent/policy.ts';
import { isAllowedSite } from '../../intent/policy-check.ts';
import { type Site, sitesOf } from '../../intent/site.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';

export interface HostClaim extends ClusterSite {
  readonly owner: Cluster;
  /** By the rules for a spec. */
  readonly isValid: boolean;
}

export class HostClaims {
  readonly #store: Store;
  readonly #policy: Policy;
  readonly #made: (uri: AllowedHost) => Promise<MadeObjects>;

  constructor(options: {
    readonly store: Store;
    readonly policy: Policy;
    /** Reads what was made on a host from its state. */
    readonly made: (uri: AllowedHost) => Promise<MadeObjects>;
  }) {
    this.#store = options.store;
    this.#policy = options.policy;
    this.#made = options.made;
  }

  /** The sites of all Clusters on a host, with what may be made of them. Clusters that cannot be read are left out, and reported. */
  async on(
    uri: AllowedHost,
    onUnreadable: (errors: readonly UnreadableObjectError[]) => void = () => {},
  ): Promise<HostClaim[]> {
    const clusters = await this.#store.list(ClusterKind, { onUnreadable });
    const claims = clusters.flatMap((owner) => {
      const { spec, isValid } = storedClusterSpec(owner);
      return sitesOf(spec, this.#policy.defaultHost)
        .filter((site) => this.#policy.host(site.uri) === uri)
        .map((site) => this.claim(owner, { ...site, uri }, isValid));
    });
    return this.#allowed(uri, claims);
  }

  /** A site of a Cluster, with what its status says that it has there. */
  claim(owner: Cluster, site: Site, isValid = true): HostClaim {
    const { namespace, name } = keyOf(owner);
    const { hosts = [] } = owner.status?.providerStatus ?? {};
    const held = hosts.find((host) => this.#policy.host(host.uri) === site.uri);
    return {
      owner,
      namespace,
      name,
      createdAt: owner.metadata.creationTimestamp ?? '',
      site,
      held: { network: held?.network, pool: held?.pool },
      isValid,
    };
  }

  /** Whether anything of the site was made. */
  async isMade(site: Site): Promise<boolean> {
    const made = await this.#made(site.uri);
    return hasPool(made, site) || made.networks.includes(site.network.name);
  }

  /** What is there already stays, even if it is no longer allowed, or no longer valid: machines live in it. */
  async #allowed(uri: AllowedHost, claims: readonly HostClaim[]): Promise<HostClaim[]> {
    const isGood = ({ site, isValid }: HostClaim) => isValid && isAllowedSite(this.#policy, site);
    if (claims.every(isGood)) return [...claims];
    const made = await this.#made(uri);
    return claims.map((one) => (isGood(one) ? one : { ...one, site: onlyMade(one.site, made) }));
  }
}

function hasPool({ pools }: MadeObjects, { pool }: Site): boolean {
  return pools.some(({ name, path }) => name === pool.name && path === pool.path);
}

/** With what of it was made, and the names of the rest: what is only named is not managed. */
function onlyMade(site: Site, made: MadeObjects): Site {
  const { network, pool } = site;
  const hasNetwork = made.networks.includes(network.name);
  return {
    ...site,
    network: hasNetwork ? network : { name: network.name },
    pool: hasPool(made, site) ? pool : { name: pool.name },
  };
}
