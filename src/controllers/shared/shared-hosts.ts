/** Keeps what machines share on a host in step with the Clusters and Machines of the store. */

import type { ImageIntent } from '../../../stacks/intent.ts';
import type { PartNames } from '../../actuator/host/host-parts.ts';
import type { EnsureOptions, HostActuator, MadeObjects } from '../../actuator/host-actuator.ts';
import type { VerbOptions } from '../../actuator/options.ts';
import type { PlanPreview } from '../../actuator/plan/preview.ts';
import { type Cluster, ClusterKind, storedClusterSpec } from '../../api/kinds/cluster.ts';
import { isOfCluster, type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';
import {
  type ClusterSite,
  findConflict,
  type HostConflict,
  withoutConflicts,
} from '../../intent/host-disputes.ts';
import { hostIntent, managedNetwork, managedPool } from '../../intent/host-intent.ts';
import type { HostIntent } from '../../intent/hosted-intent.ts';
import type { Policy } from '../../intent/policy.ts';
import { isAllowedSite } from '../../intent/policy-check.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import { type Site, sitesOf } from '../../intent/site.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';

export class HostResources {
  readonly #store: Store;
  readonly #actuator: HostActuator;
  readonly #policy: Policy;

  constructor(options: {
    readonly store: Store;
    readonly actuator: HostActuator;
    readonly policy: Policy;
  }) {
    this.#store = options.store;
    this.#actuator = options.actuator;
    this.#policy = options.policy;
  }

  /** Brings what a Cluster manages on the host of `site` to what it says, and removes what it managed before. */
  async ensureSite(site: Site, options: EnsureOptions): Promise<HostFacts> {
    return this.#actuator.ensure(site.uri, this.#wantedOn(site.uri), { apply: managedBy(site) }, options);
  }

  /**
   * Makes what a Machine uses on host `uri`, if it is not there: networks and pools by name, as far as Clusters manage them, and its
   * base image.
   */
  async ensureUsed(
    uri: AllowedHost,
    { image, ...need }: PartNames & { readonly image: ImageIntent | undefined },
    options: EnsureOptions,
  ): Promise<HostFacts> {
    return this.#actuator.ensure(uri, this.#wantedOn(uri), { need, image }, options);
  }

  /** Removes what a Cluster that goes has managed on the host of `site`, unless another one manages it, too. */
  async releaseSite(site: Site, options: VerbOptions): Promise<void> {
    await this.#actuator.releaseParts(site.uri, this.#wantedOn(site.uri), managedBy(site), options);
  }

  /** Removes the image of a Machine unless another one has it pinned. */
  async releaseImage(
    uri: AllowedHost,
    image: Pick<ImageIntent, 'pool' | 'volume'>,
    options: VerbOptions,
  ): Promise<void> {
    await this.#actuator.releaseImage(uri, this.#wantedOn(uri), image, options);
  }

  /** What `ensureSite` would change. */
  async planSite(site: Site): Promise<PlanPreview> {
    return this.#actuator.plan(site.uri, await this.#intent(site.uri), managedBy(site));
  }

  /** What speaks against making for the Cluster what it names on the host of `site`: an older one manages it otherwise. */
  async findConflict(cluster: Cluster, site: Site): Promise<HostConflict | undefined> {
    const named = await this.#named(site.uri, () => {});
    return findConflict(
      site,
      named.filter(({ owner }) => byAge(owner, cluster) < 0),
    );
  }

  #wantedOn(uri: AllowedHost): () => Promise<HostIntent> {
    return () => this.#intent(uri);
  }

  /** From what the store holds now: all Clusters that stay or still have Machines, all Machines that still exist. */
  async #intent(uri: AllowedHost): Promise<HostIntent> {
    const unreadable: UnreadableObjectError[] = [];
    const onUnreadable = (errors: readonly UnreadableObjectError[]) => unreadable.push(...errors);
    const [named, machines] = await Promise.all([
      this.#named(uri, onUnreadable),
      this.#store.list(MachineKind, { onUnreadable }),
    ]);
    const isToStay = ({ metadata }: Cluster) =>
      !metadata.deletionTimestamp || machines.some((machine) => isOfCluster(machine, metadata));
    const isUsed = ({ metadata }: Cluster) =>
      machines.some((one) => isOfCluster(one, metadata) && this.#hostOf(one) === uri);
    const sites = named.flatMap(({ owner, site }, index) => {
      if (!isToStay(owner)) return [];
      // What a Cluster that goes has managed goes first, before it is another's: but not from under the other's machines.
      const older = named.slice(0, index).filter((other) => isToStay(other.owner) || !isUsed(owner));
      return withoutConflicts(site, older);
    });
    const images = machines.flatMap((machine) => {
      const pinned = machine.status?.providerStatus?.pinned;
      const image = pinned && imageOf(pinned);
      return image && this.#hostOf(machine) === uri ? [{ ...image, uri }] : [];
    });
    const [incomplete] = unreadable;
    return { ...hostIntent(uri, sites, images), ...(incomplete && { incomplete }) };
  }

  #hostOf({ status }: Machine): AllowedHost | undefined {
    const uri = status?.providerStatus?.pinned?.uri;
    return uri === undefined ? undefined : this.#policy.host(uri);
  }

  /** The sites of all Clusters on a host, with what may be made of them; those of the oldest first. */
  async #named(
    uri: AllowedHost,
    onUnreadable: (errors: readonly UnreadableObjectError[]) => void,
  ): Promise<OwnedSite[]> {
    const clusters = [...(await this.#store.list(ClusterKind, { onUnreadable }))].sort(byAge);
    const named = clusters.flatMap((owner) => {
      const { spec, isValid } = storedClusterSpec(owner);
      return sitesOf(spec, this.#policy.defaultHost)
        .filter((site) => this.#policy.host(site.uri) === uri)
        .map((site) => ({ owner, cluster: formatKey(keyOf(owner)), site: { ...site, uri }, isValid }));
    });
    return this.#allowed(uri, named);
  }

  /** What is there already stays, even if it is no longer allowed, or no longer valid: machines live in it. */
  async #allowed(uri: AllowedHost, named: readonly OwnedSite[]): Promise<OwnedSite[]> {
    const isAllowed = ({ site }: OwnedSite) => isAllowedSite(this.#policy, site);
    if (named.every((one) => isAllowed(one) && one.isValid)) return [...named];
    const made = await this.#actuator.made(uri);
    return named.flatMap((one) => {
      if (!isAllowed(one)) return hasPool(made, one.site) ? one : [];
      return one.isValid ? one : { ...one, site: onlyMade(one.site, made) };
    });
  }
}

/** Names of what is made of a site: what it only names is no Cluster's. */
function managedBy({ network, pool }: Site): PartNames {
  const [managed, kept] = [managedNetwork(network), managedPool(pool)];
  return { networks: managed ? [managed.name] : [], pools: kept ? [kept.name] : [] };
}

interface OwnedSite extends ClusterSite {
  readonly owner: Cluster;
  /** By the rules for a spec. */
  readonly isValid: boolean;
}

/** Clusters of one moment by their names, so that the same one is always the older. */
function byAge(one: Cluster, other: Cluster): number {
  const [a, b] = [ageOf(one), ageOf(other)];
  return a === b ? 0 : a < b ? -1 : 1;
}

function ageOf(cluster: Cluster): string {
  return `${cluster.metadata.creationTimestamp ?? ''} ${formatKey(keyOf(cluster))}`;
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
