/** Keeps what machines share on a host in step with the Clusters and Machines of the store. */

import type { HostIntent, ImageIntent } from '../../../stacks/intent.ts';
import type { EnsureOptions, HostActuator } from '../../actuator/host-actuator.ts';
import { ClusterKind, clusterProviderSpec } from '../../api/cluster.ts';
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
      .flatMap((cluster) => sitesOf(clusterProviderSpec(cluster), this.#defaultUri));
    const sites = await this.#allowed(uri, named);
    const images = machines.flatMap((machine) => {
      const pinned = machine.status?.providerStatus?.pinned;
      const image = pinned && imageOf(pinned);
      return image ? [{ ...image, uri: pinned.uri }] : [];
    });
    return hostIntent(uri, sites, keep ? [...images, { ...keep, uri }] : images);
  }

  /** What is there already stays, even if it is no longer allowed: machines live in it. */
  async #allowed(uri: string, named: readonly Site[]): Promise<readonly Site[]> {
    const isAllowed = (site: Site) => isAllowedSite(this.#policy, site, this.#defaultUri);
    const sites = named.filter((site) => site.uri === uri);
    if (sites.every(isAllowed)) return sites;
    const made = await this.#actuator.made(uri);
    return sites.filter(
      (site) =>
        isAllowed(site) || made.some(({ name, path }) => name === site.pool.name && path === site.pool.path),
    );
  }
}
