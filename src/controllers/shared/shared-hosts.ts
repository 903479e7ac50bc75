/** Keeps what machines share on a host in step with the Clusters and Machines of the store. */

import type { ImageIntent } from '../../../stacks/intent.ts';
import type { VerbOptions } from '../../actuator/context/options.ts';
import { partsOf } from '../../actuator/host/host-parts.ts';
import type { EnsureOptions, HostActuator } from '../../actuator/host-actuator.ts';
import type { PlanPreview } from '../../actuator/plan/preview.ts';
import type { Cluster } from '../../api/kinds/cluster.ts';
import { isOfCluster, type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { isPaused } from '../../api/schema/paused.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import { findConflict, type HostConflict, withoutConflicts } from '../../intent/host-disputes.ts';
import { hostIntent, managedNetwork, managedPool } from '../../intent/host-intent.ts';
import type { HostIntent, PartNames } from '../../intent/hosted-intent.ts';
import { isInfrastructure, objectName } from '../../intent/names.ts';
import type { Policy } from '../../intent/policy.ts';
import {
  requireAllowedNetwork,
  requireFreeRanges,
  requireUsableParts,
  type UsedPart,
} from '../../intent/policy-check.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import type { Site } from '../../intent/site.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { type HostClaim, HostClaims } from './host-claims.ts';

/** A Cluster that stays is paused, or gone, without a change of the one that goes. */
const STAYS_POLL_MS = 2_000;

/** Networks and pools of a host that objects of a namespace are about to use. */
export interface PartsUse {
  readonly namespace: string;
  readonly parts: readonly UsedPart[];
}

export class HostResources {
  readonly #store: Store;
  readonly #actuator: HostActuator;
  readonly #policy: Policy;
  readonly #claims: HostClaims;

  constructor(options: {
    readonly store: Store;
    readonly actuator: HostActuator;
    readonly policy: Policy;
  }) {
    this.#store = options.store;
    this.#actuator = options.actuator;
    this.#policy = options.policy;
    this.#claims = new HostClaims({ ...options, made: (uri) => options.actuator.made(uri) });
  }

  /** Brings what a Cluster manages on the host of `site` to what it says, and removes what it managed before. */
  async ensureSite(cluster: Cluster, site: Site, path: string, options: EnsureOptions): Promise<HostFacts> {
    const { uri } = site;
    const use = siteUse(cluster, site, path);
    const admit = (made: HostIntent) => this.#admit(made, path);
    return this.#actuator.ensure(
      uri,
      () => this.#intent(uri, use),
      { apply: managedBy(site) },
      { ...options, admit },
    );
  }

  /**
   * Makes what a Machine uses on host `uri`, if it is not there: networks and pools by name, as far as Clusters manage them, and its
   * base image. `use`: of a new or changed Machine, what it may not use is refused.
   */
  async ensureUsed(
    uri: AllowedHost,
    { image, ...need }: PartNames & { readonly image: ImageIntent | undefined },
    use: PartsUse | undefined,
    options: EnsureOptions,
  ): Promise<HostFacts> {
    const admit = (made: HostIntent) => this.#admit(made, 'spec.clusterName');
    return this.#actuator.ensure(uri, () => this.#intent(uri, use), { need, image }, { ...options, admit });
  }

  /** Throws TerminalError NotAllowed for a network or pool of another namespace, or of the host itself. */
  async requireUsable(uri: AllowedHost, { namespace, parts }: PartsUse): Promise<void> {
    if (parts.every(({ what, name }) => this.#policy.shares(what, name))) return;
    requireUsableParts(this.#policy, namespace, parts, await this.#claims.on(uri));
  }

  /** Whether anything of the site was made, as its Terraform state says. */
  isMade(site: Site): Promise<boolean> {
    return this.#claims.isMade(site);
  }

  /** Removes what a Cluster that goes has managed on the host of `site`, unless another one manages it, too. */
  async releaseSite(site: Site, options: VerbOptions): Promise<void> {
    await this.#actuator.releaseParts(site.uri, () => this.#intent(site.uri), managedBy(site), options);
  }

  /**
   * Hands over what a Cluster manages on the host of `site` before it goes to another management cluster; `save` keeps what that one needs.
   * Throws TransientError Conflict if a Cluster that stays manages it, too.
   */
  async handOverSite(cluster: Cluster, site: Site, save: (parts: string) => Promise<void>): Promise<void> {
    const names = managedBy(site);
    if (names.networks.length + names.pools.length === 0) return;
    requireNoneStays(cluster, names, await this.#claims.on(site.uri));
    await this.#actuator.handOver(site.uri, { names, cluster: cluster.metadata.uid ?? '', save });
  }

  /** Takes over what a Cluster manages on the host of `site` and has brought from another management cluster. */
  async takeOverSite(site: Site, parts: string): Promise<void> {
    await this.#actuator.takeOver(site.uri, managedBy(site), parts);
  }

  /** Removes the image of a Machine unless another one has it pinned. */
  async releaseImage(
    uri: AllowedHost,
    image: Pick<ImageIntent, 'pool' | 'volume'>,
    options: VerbOptions,
  ): Promise<void> {
    await this.#actuator.releaseImage(uri, () => this.#intent(uri), image, options);
  }

  /** What `ensureSite` would change. */
  async planSite(cluster: Cluster, site: Site, path: string): Promise<PlanPreview> {
    const intent = await this.#intent(site.uri, siteUse(cluster, site, path));
    const names = managedBy(site);
    await this.#admit(partsOf(intent, names), path);
    return this.#actuator.plan(site.uri, intent, names);
  }

  /** What speaks against making for the Cluster what it names on the host of `site`: another one owns it and has it otherwise. */
  async findConflict(cluster: Cluster, site: Site): Promise<HostConflict | undefined> {
    const own = this.#claims.claim(cluster, site);
    const claims = await this.#claims.on(site.uri);
    return findConflict(
      own,
      claims.filter(({ namespace, name }) => namespace !== own.namespace || name !== own.name),
    );
  }

  /** Holds what is about to be made, or changed, against the policy and the host. */
  async #admit({ uri, networks }: HostIntent, path: string): Promise<void> {
    if (this.#policy.everything) return;
    for (const network of networks) {
      requireAllowedNetwork(this.#policy, network, `${path}.network`);
    }
    if (networks.every(({ addresses }) => addresses.length === 0)) return;
    const there = await this.#actuator.networkRanges(uri);
    for (const network of networks) requireFreeRanges(network, there, path);
  }

  /** From what the store holds now: all Clusters that stay or still have Machines, all Machines that still exist. */
  async #intent(uri: AllowedHost, use?: PartsUse): Promise<HostIntent> {
    const unreadable: UnreadableObjectError[] = [];
    const onUnreadable = (errors: readonly UnreadableObjectError[]) => unreadable.push(...errors);
    const [claims, machines] = await Promise.all([
      this.#claims.on(uri, onUnreadable),
      this.#store.list(MachineKind, { onUnreadable }),
    ]);
    const isToStay = ({ metadata }: Cluster) =>
      !metadata.deletionTimestamp || machines.some((machine) => isOfCluster(machine, metadata));
    const isUsed = ({ metadata }: Cluster) =>
      machines.some((one) => isOfCluster(one, metadata) && this.#hostOf(one) === uri);
    if (use)
      requireUsableParts(
        this.#policy,
        use.namespace,
        use.parts,
        claims.filter(({ owner }) => isToStay(owner)),
      );
    const sites = claims.flatMap((own) => {
      const { owner } = own;
      if (!isToStay(owner)) return [];
      // What a Cluster that goes has managed goes first, before it is another's: but not from under the other's machines.
      const others = claims.filter((one) => one !== own && (isToStay(one.owner) || !isUsed(owner)));
      return withoutConflicts(own, others);
    });
    const images = machines.flatMap((machine) => {
      const pinned = machine.status?.providerStatus?.pinned;
      const image = pinned && imageOf(pinned);
      return image && this.#hostOf(machine) === uri ? [{ ...image, uri }] : [];
    });
    const [incomplete] = unreadable;
    const clusters = claims.flatMap(({ owner }) => owner.metadata.uid ?? []);
    return { ...hostIntent(uri, sites, images), clusters, ...(incomplete && { incomplete }) };
  }

  #hostOf({ status }: Machine): AllowedHost | undefined {
    const uri = status?.providerStatus?.pinned?.uri;
    return uri === undefined ? undefined : this.#policy.host(uri);
  }
}

/** Names of what is made of a site: what it only names is no Cluster's. */
function managedBy({ network, pool }: Site): PartNames {
  const [managed, kept] = [managedNetwork(network), managedPool(pool)];
  return { networks: managed ? [managed.name] : [], pools: kept ? [kept.name] : [] };
}

/** Two management clusters would manage one network, and the first that is done with it would remove it. */
function requireNoneStays(
  cluster: Cluster,
  { networks, pools }: PartNames,
  claims: readonly HostClaim[],
): void {
  const { namespace, name } = keyOf(cluster);
  const others = claims.filter((one) => one.namespace !== namespace || one.name !== name);
  for (const other of others) {
    // Clusters of one namespace move together; those are paused by then.
    if (other.namespace === namespace && isInfrastructure(other) && isPaused(other.owner)) continue;
    const theirs = managedBy(other.site);
    const shared = [
      ...networks.filter((one) => theirs.networks.includes(one)).map((one) => `network "${one}"`),
      ...pools.filter((one) => theirs.pools.includes(one)).map((one) => `pool "${one}"`),
    ];
    if (shared.length === 0) continue;
    const kind = isInfrastructure(other) ? 'LibvirtCluster' : 'Cluster';
    throw new TransientError({
      code: 'Conflict',
      message: `${kind} ${other.namespace}/${objectName(other)} manages ${shared.join(' and ')}, too, and stays here`,
      fix: 'move both, from one namespace, or let only one of them manage it',
      retryAfterMs: STAYS_POLL_MS,
    });
  }
}

/** What a Cluster names on the host of a site. */
export function siteUse(cluster: Cluster, site: Site, path: string): PartsUse {
  const parts = (['network', 'pool'] as const).map((what) => ({
    what,
    name: site[what].name,
    path: `${path}.${what}.name`,
  }));
  return { namespace: keyOf(cluster).namespace, parts };
}
