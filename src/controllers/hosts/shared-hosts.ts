/** Keeps what machines share on a host in step with the Clusters and Machines of the store. */

import type { HostIntent, ImageIntent } from '../../../stacks/intent.ts';
import type { EnsureOptions, HostActuator, MadeObjects } from '../../actuator/host-actuator.ts';
import { type Cluster, ClusterKind, storedClusterSpec } from '../../api/cluster.ts';
import { isOfCluster, MachineKind } from '../../api/machine.ts';
import { hostIntent } from '../../intent/host-intent.ts';
import type { Policy } from '../../intent/policy.ts';
import { isAllowedSite } from '../../intent/policy-check.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import { type Site, sitesOf } from '../../intent/site.ts';
import type { HostFacts } from '../../libvirt/facts.ts';
import type { Store } from '../../store/store.ts';

export class SharedHosts {
  readonly #store: Store;
  readonly #actuator: HostActuator;
  readonly #defaultUri: string;
  readonly #policy: Policy;

  constructor(options: {
    readonly store: Store;
    readonly actuator: HostActuator;
    readonly defaultUri: string;
    readonly policy: Policy;
  }) {
    this.#store = options.store;
    this.#actuator = options.actuator;
    this.#defaultUri = options.defaultUri;
    this.#policy = options.policy;
  }

  /**
   * Makes networks, pools and base images of host `uri`, and removes those that nothing uses any more. `keep`: an image that
   * no Machine in the store has pinned, and that one still stands on.
   */
  async ensure(
    uri: string,
    options: EnsureOptions & { readonly keep?: ImageIntent | undefined } = {},
  ): Promise<HostFacts> {
    return this.#actuator.ensure(uri, () => this.#intent(uri, options.keep), options);
  }

  /** From what the store holds now: all Clusters that stay or still have Machines, all Machines that still exist. */
  async #intent(uri: string, keep: ImageIntent | undefined): Promise<HostIntent> {
    const [clusters, machines] = await Promise.all([
      this.#store.list(ClusterKind),
      this.#store.list(MachineKind),
    ]);
    const named = clusters
      .filter(
        ({ metadata }) =>
          !metadata.deletionTimestamp || machines.some((machine) => isOfCluster(machine, metadata)),
      )
      .flatMap((cluster) => this.#sitesOf(cluster));
    const sites = await this.#allowed(
      uri,
      named.filter(({ site }) => site.uri === uri),
    );
    const images = machines.flatMap((machine) => {
      const pinned = machine.status?.providerStatus?.pinned;
      const image = pinned && imageOf(pinned);
      return image ? [{ ...image, uri: pinned.uri }] : [];
    });
    return hostIntent(uri, sites, keep ? [...images, { ...keep, uri }] : images);
  }

  #sitesOf(cluster: Cluster): NamedSite[] {
    const { spec, isValid } = storedClusterSpec(cluster);
    return sitesOf(spec, this.#defaultUri).map((site) => ({
      site,
      isValid,
      isAllowed: isAllowedSite(this.#policy, site, this.#defaultUri),
    }));
  }

  /** What is there already stays, even if it is no longer allowed, or no longer valid: machines live in it. */
  async #allowed(uri: string, named: readonly NamedSite[]): Promise<readonly Site[]> {
    if (named.every(({ isAllowed, isValid }) => isAllowed && isValid)) return named.map(({ site }) => site);
    const made = await this.#actuator.made(uri);
    return named.flatMap(({ site, isAllowed, isValid }) => {
      if (!isAllowed) return hasPool(made, site) ? site : [];
      return isValid ? site : onlyMade(site, made);
    });
  }
}

interface NamedSite {
  readonly site: Site;
  /** By the operator. */
  readonly isAllowed: boolean;
  /** By the rules for a spec. */
  readonly isValid: boolean;
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
