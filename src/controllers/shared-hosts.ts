/** Keeps what machines share on a host in step with the Clusters and Machines of the store. */

import type { HostIntent, ImageIntent } from '../../stacks/intent.ts';
import type { EnsureOptions, HostActuator } from '../actuator/host-actuator.ts';
import { ClusterKind, clusterProviderSpec } from '../api/cluster.ts';
import { MachineKind } from '../api/machine.ts';
import { hostIntent } from '../intent/host-intent.ts';
import { imageOf } from '../intent/resolve-machine.ts';
import { sitesOf } from '../intent/site.ts';
import type { HostFacts } from '../libvirt/facts.ts';
import type { Store } from '../store/store.ts';

export class SharedHosts {
  readonly #store: Store;
  readonly #actuator: HostActuator;
  readonly #defaultUri: string;

  constructor(options: {
    readonly store: Store;
    readonly actuator: HostActuator;
    readonly defaultUri: string;
  }) {
    this.#store = options.store;
    this.#actuator = options.actuator;
    this.#defaultUri = options.defaultUri;
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

  /** From what the store holds now: all Clusters that stay, all Machines that still exist. */
  async #intent(uri: string, keep: ImageIntent | undefined): Promise<HostIntent> {
    const [clusters, machines] = await Promise.all([
      this.#store.list(ClusterKind),
      this.#store.list(MachineKind),
    ]);
    const sites = clusters
      .filter((cluster) => !cluster.metadata.deletionTimestamp)
      .flatMap((cluster) => sitesOf(clusterProviderSpec(cluster), this.#defaultUri));
    const images = machines.flatMap((machine) => {
      const pinned = machine.status?.providerStatus?.pinned;
      const image = pinned && imageOf(pinned);
      return image ? [{ ...image, uri: pinned.uri }] : [];
    });
    return hostIntent(uri, sites, keep ? [...images, { ...keep, uri }] : images);
  }
}
