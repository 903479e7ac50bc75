/** Builds the HostIntent of a host from what all Clusters manage there and the images that Machines use there. */

import type { ImageIntent, NetworkIntent, PoolIntent } from '../../stacks/intent.ts';
import type { ClusterNetwork, ClusterPool } from '../api/kinds/cluster-provider-spec.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import type { HostIntent } from './hosted-intent.ts';
import type { Site } from './site.ts';

/** An image that a machine uses, as pinned in its status. */
export interface ImageUse extends ImageIntent {
  readonly uri: AllowedHost;
}

/**
 * `sites`: of all Clusters that are not being deleted, or still have machines, those of the oldest first: of two networks or pools
 * of one name the first counts. `images`: of all Machines that still exist.
 */
export function hostIntent(
  uri: AllowedHost,
  sites: readonly Site[],
  images: readonly ImageUse[],
): HostIntent {
  const here = sites.filter((site) => site.uri === uri);
  return {
    uri,
    networks: distinct(
      here.flatMap((site) => managedNetwork(site.network) ?? []),
      ({ name }) => name,
    ),
    pools: distinct(
      here.flatMap((site) => managedPool(site.pool) ?? []),
      ({ name }) => name,
    ),
    images: distinct(
      images.filter((image) => image.uri === uri).map(({ uri: _, ...image }) => image),
      (image) => `${image.pool}/${image.volume}`,
    ),
  };
}

/** Returns the facts of a host after `intent` is applied, with the networks and pools of Clusters. */
export function factsWith(facts: HostFacts, intent: HostIntent): HostFacts {
  return {
    ...facts,
    networks: withActive(facts.networks, intent.networks),
    pools: withActive(facts.pools, intent.pools),
  };
}

function withActive<T extends { readonly name: string; readonly active: boolean }>(
  there: readonly T[],
  made: readonly { readonly name: string }[],
): readonly (T | { readonly name: string; readonly active: true })[] {
  const names = new Set(made.map(({ name }) => name));
  return [
    ...there.filter(({ name }) => !names.has(name)),
    ...[...names].map((name) => ({ name, active: true as const })),
  ];
}

/** Returns the network to create; undefined: it exists and is only named. */
export function managedNetwork(network: ClusterNetwork): NetworkIntent | undefined {
  if (network.mode === undefined) return undefined;
  return {
    name: network.name,
    mode: network.mode,
    addresses: network.addresses ?? [],
    dhcp: network.dhcp ?? true,
    autostart: network.autostart ?? true,
    ...(network.bridge === undefined ? {} : { bridge: network.bridge }),
    ...(network.domain === undefined ? {} : { domain: network.domain }),
    ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
  };
}

/** Returns the pool to create; undefined: it exists and is only named. */
export function managedPool(pool: ClusterPool): PoolIntent | undefined {
  return pool.path === undefined ? undefined : { name: pool.name, path: pool.path };
}

/** Returns the first item of each name, sorted, so that the same machines always give the same intent. */
function distinct<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  const byName = new Map<string, T>();
  for (const item of items) if (!byName.has(nameOf(item))) byName.set(nameOf(item), item);
  return [...byName.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}
