/**
 * Which networks and pools of a host a run is about. Each belongs to those who ask for it: what others want is left as it is, or
 * left out, so that nobody is refused, waits or fails for the sake of somebody else's.
 */

import * as z from 'zod';
import { objectsOfHost, type StackObject } from '../../../stacks/import-stack.ts';
import { resourceId } from '../../../stacks/resource-id.ts';
import type { HostIntent, PartNames } from '../../intent/hosted-intent.ts';
import { shortHash } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';

export interface PartsAsk {
  /** Is brought to what the intent says: by the Cluster that manages it. */
  readonly apply: PartNames;
  /** Is made if it is not there, else left as it is: by a Machine that uses it. */
  readonly need: PartNames;
  /** Has to be gone at the end, unless somebody wants it: by a Cluster that is deleted. */
  readonly release: PartNames;
  /** Also removes what nobody wants any more: a Cluster, which may have managed something else before. */
  readonly tidy: boolean;
}

/** What of the host was brought to which intent, by the address of the resource. Kept beside the state. */
export type AppliedParts = Readonly<Record<string, string>>;

/** In the place of a hash: it stands, and was not compared with its intent. */
const AS_IT_IS = 'as it is';

/** The parts of an intent with those names. */
export function partsOf(intent: HostIntent, { networks, pools }: PartNames): HostIntent {
  return {
    uri: intent.uri,
    networks: intent.networks.filter(({ name }) => networks.includes(name)),
    pools: intent.pools.filter(({ name }) => pools.includes(name)),
    images: [],
  };
}

export function both(one: PartNames, other: PartNames): PartNames {
  return {
    networks: [...new Set([...one.networks, ...other.networks])],
    pools: [...new Set([...one.pools, ...other.pools])],
  };
}

export function isNoPart({ networks, pools }: PartNames | HostIntent): boolean {
  return networks.length + pools.length === 0;
}

/** Splits `wanted` for a run. `standing`: what is known, whole, and active on the host. */
export function partsOfRun(
  wanted: HostIntent,
  { apply, need }: Pick<PartsAsk, 'apply' | 'need'>,
  standing: readonly StackObject[],
): { readonly made: HostIntent; readonly config: HostIntent } {
  const stands = (type: StackObject['type'], name: string) =>
    standing.some((one) => one.type === type && one.object === name);
  const kinds = [
    ['networks', 'libvirt_network'],
    ['pools', 'libvirt_pool'],
  ] as const;
  const made = { networks: [] as string[], pools: [] as string[] };
  const asIs = { networks: [] as string[], pools: [] as string[] };
  for (const [kind, type] of kinds) {
    for (const { name } of wanted[kind]) {
      if (apply[kind].includes(name)) made[kind].push(name);
      else if (stands(type, name)) asIs[kind].push(name);
      else if (need[kind].includes(name)) made[kind].push(name);
    }
  }
  const config = partsOf(wanted, both(made, asIs));
  return { made: partsOf(wanted, made), config: isNoPart(asIs) ? config : { ...config, asIs } };
}

/** Whether all of it is active on the host. */
export function isActive({ networks, pools }: HostIntent, facts: HostFacts): boolean {
  const isOn = (there: readonly { readonly name: string; readonly active: boolean }[], name: string) =>
    there.some((one) => one.name === name && one.active);
  return (
    networks.every(({ name }) => isOn(facts.networks, name)) &&
    pools.every(({ name }) => isOn(facts.pools, name))
  );
}

const appliedSchema = z.record(z.string(), z.string());

/** Reads the note of what was applied; one of another shape says nothing, so that all is applied again. */
export function readApplied(note: string | undefined): AppliedParts {
  try {
    return appliedSchema.safeParse(JSON.parse(note ?? '{}')).data ?? {};
  } catch {
    // A note of an earlier caplv, which says nothing of single parts.
    return {};
  }
}

/** The hash of each part, by its address. */
export function hashesOf({ networks, pools }: HostIntent): AppliedParts {
  return Object.fromEntries([
    ...networks.map((network) => [addressOf('network', network.name), hashOf(network)]),
    ...pools.map((pool) => [addressOf('pool', pool.name), hashOf(pool)]),
  ]);
}

/** The note after a run over `config` of which `made` was made. What failed is in doubt. */
export function appliedAfter(
  before: AppliedParts,
  { made, config }: { readonly made: HostIntent; readonly config: HostIntent },
  failed: ReadonlySet<string> = new Set(),
): AppliedParts {
  const standing = Object.keys(hashesOf(config)).map((address) => [address, before[address] ?? AS_IT_IS]);
  const all: AppliedParts = { ...Object.fromEntries(standing), ...hashesOf(made) };
  return Object.fromEntries(Object.entries(all).filter(([address]) => !failed.has(address)));
}

/** Addresses of all resources of these parts. */
export function addressesOf(intent: HostIntent): ReadonlySet<string> {
  const shapes = intent.networks.map(({ name }) => `terraform_data.${resourceId('shape', name)}`);
  return new Set([...objectsOfHost(intent).map(({ type, name }) => `${type}.${name}`), ...shapes]);
}

/**
 * The id by which a person approves what replaces those parts: the same on each host, and for each plan that replaces the same for
 * the same intent.
 */
export function replacementId(wanted: HostIntent, addresses: readonly string[]): string {
  const replaced = Object.entries(hashesOf(wanted)).filter(([address]) => addresses.includes(address));
  return shortHash(JSON.stringify([replaced.sort(([a], [b]) => (a < b ? -1 : 1)), [...addresses].sort()]));
}

function addressOf(kind: 'network' | 'pool', name: string): string {
  return `libvirt_${kind}.${resourceId(kind, name)}`;
}

function hashOf(part: object): string {
  return shortHash(JSON.stringify(part));
}
