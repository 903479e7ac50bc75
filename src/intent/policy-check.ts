/** Checks objects against the policy, before anything that they name is used. Throws TerminalError NotAllowed with the field's path. */

import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkIntent } from '../../stacks/intent.ts';
import type { ClusterNetwork, LibvirtClusterProviderSpec } from '../api/kinds/cluster-provider-spec.ts';
import type { Pinned } from '../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError, TransientError } from '../errors.ts';
import { formatHostURI, isProblem, parseHostURI } from '../libvirt/host-uri.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { isSameRange, overlap } from '../system/network/cidr.ts';
import { type ClusterSite, ownerOf } from './host-disputes.ts';
import { parseChecksum } from './image/checksum.ts';
import { parseImageURI } from './image.ts';
import { readVolumeName } from './names.ts';
import { notAllowed, type Policy } from './policy.ts';
import type { NamedSite, Site } from './site.ts';

/** Directory of firmware packages. The guest can read the file of its firmware. */
const FIRMWARE_DIRECTORY = '/usr/share/';

/** `made`: of a machine that exists, which keeps its image: that was checked when it was new. */
export async function requireAllowedMachine(
  policy: Policy,
  spec: LibvirtMachineProviderSpec,
  path: string,
  made: Pick<Pinned, 'imageURI' | 'imageChecksum'> | undefined,
): Promise<void> {
  if (policy.everything) return;
  if (spec.terraform !== undefined && !policy.terraform) {
    throw notAllowed(`${path}.terraform`, "Terraform of the manifest's own", 'terraform');
  }
  for (const field of ['firmware', 'nvramTemplate'] as const) {
    const file = spec[field];
    if (!file?.startsWith('/') || posix.normalize(file).startsWith(FIRMWARE_DIRECTORY)) continue;
    throw notAllowed(`${path}.${field}`, `the file ${file} of the host`, 'everything');
  }
  for (const [index, disk] of (spec.disks ?? []).entries()) {
    if (disk.volume === undefined) continue;
    const { pool, volume } = volumeOf(`volume:${disk.volume}`);
    if (policy.disk(pool, volume) && !readVolumeName(volume)) continue;
    throw notAllowed(`${path}.disks[${index}].volume`, `the volume ${disk.volume}`, `disk:${pool}/`);
  }
  for (const [index, nic] of (spec.interfaces ?? []).entries()) {
    const field = nic.bridge === undefined ? 'macvtap' : 'bridge';
    const device = nic[field];
    if (device === undefined || policy.bridge(device)) continue;
    throw notAllowed(`${path}.interfaces[${index}].${field}`, `${device} of the host`, `bridge:${device}`);
  }
  if (made?.imageURI !== spec.imageURI) await requireAllowedImage(policy, spec.imageURI, `${path}.imageURI`);
  const { imageChecksum } = spec;
  if (imageChecksum !== undefined && !parseChecksum(imageChecksum) && imageChecksum !== made?.imageChecksum)
    await requireAllowedSource(policy, imageChecksum, `${path}.imageChecksum`);
  for (const field of ['userDataURI', 'ignitionURI'] as const) {
    const uri = spec[field];
    if (uri !== undefined) await requireAllowedSource(policy, uri, `${path}.${field}`);
  }
}

/** Throws TerminalError NotAllowed, or InvalidConfiguration for a URI that cannot be used, with `path`: of the field that names the host. */
export function requireAllowedHost(policy: Policy, uri: string, path: string): AllowedHost {
  const host = policy.host(uri);
  if (host !== undefined) return host;
  const read = parseHostURI(uri);
  if (isProblem(read)) throw new TerminalError({ code: 'InvalidConfiguration', path, ...read });
  const shown = formatHostURI(read);
  throw notAllowed(path, `the host ${shown}`, `host:${shown}`);
}

/** Checks the network and pool that a Cluster creates on a host. Returns the site, which may then be opened. */
export function requireAllowedSite(policy: Policy, named: NamedSite, path: string): Site {
  const site = { ...named, uri: requireAllowedHost(policy, named.uri, `${path}.uri`) };
  const { pool, network } = site;
  if (pool.path !== undefined && !policy.poolPath(pool.path)) {
    throw notAllowed(`${path}.pool.path`, `the directory ${pool.path} of the host`, `pool:${pool.path}`);
  }
  if (pool.path !== undefined) requireAllowedMaking(policy, 'pool', pool.name, path);
  requireAllowedNetwork(policy, network, `${path}.network`);
  if (network.mode !== undefined) requireAllowedMaking(policy, 'network', network.name, path);
  return site;
}

/**
 * What a Cluster makes of a network. The host's own traffic to its addresses goes to it, so they are private ones; and it is
 * translated, or isolated, unless an operator has listed its range.
 */
export function requireAllowedNetwork(
  policy: Policy,
  {
    mode,
    bridge = '',
    addresses = [],
  }: Readonly<Pick<ClusterNetwork, 'mode' | 'bridge'>> & {
    readonly addresses?: readonly string[] | undefined;
  },
  path: string,
): void {
  if (mode === undefined) return;
  if (mode === 'bridge') {
    if (policy.bridge(bridge)) return;
    throw notAllowed(`${path}.bridge`, `${bridge} of the host`, `bridge:${bridge}`);
  }
  for (const [index, range] of addresses.entries()) {
    if (policy.range(range)) continue;
    throw notAllowed(`${path}.addresses[${index}]`, `the range ${range}`, `network:${range}`);
  }
  if (policy.networkMode(mode, addresses)) return;
  throw notAllowed(`${path}.mode`, `mode ${mode} with ${addresses.join(' and ')}`, `network:${addresses[0]}`);
}

function requireAllowedMaking(policy: Policy, what: 'network' | 'pool', name: string, path: string): void {
  if (policy.mayMake(what, name)) return;
  throw notAllowed(
    `${path}.${what}.name`,
    `making the ${what} "${name}", which is for all namespaces,`,
    `${what}:${name}`,
  );
}

/** Describes a network or pool that a Machine or Cluster names, with the path of that field. */
export interface UsedPart {
  readonly what: 'network' | 'pool';
  readonly name: string;
  readonly path: string;
}

/**
 * Networks and pools of a host that objects of `namespace` want to use: those of its own Clusters, and those that are for all.
 * `sites`: what Clusters manage on that host.
 */
export function requireUsableParts(
  policy: Policy,
  namespace: string,
  parts: readonly UsedPart[],
  sites: readonly ClusterSite[],
): void {
  for (const { what, name, path } of parts) {
    if (policy.shares(what, name)) continue;
    const owner = ownerOf(what, name, sites);
    if (owner?.namespace === namespace) continue;
    const whose = owner === undefined ? '' : `, which a Cluster of namespace ${owner.namespace} manages,`;
    throw notAllowed(path, `the ${what} "${name}" of the host${whose}`, `${what}:${name}`);
  }
}

/**
 * `there`: ranges of all networks of the host, by name. The one of this name may be there as it is to be. Throws TransientError
 * AddressInUse.
 */
export function requireFreeRanges(
  { name, addresses }: Pick<NetworkIntent, 'name' | 'addresses'>,
  there: ReadonlyMap<string, readonly string[]>,
  path: string,
): void {
  const before = there.get(name) ?? [];
  if (addresses.every((range) => before.some((one) => isSameRange(one, range)))) return;
  for (const [index, range] of addresses.entries()) {
    for (const [other, ranges] of there) {
      const taken = other === name ? undefined : ranges.find((one) => overlap(one, range));
      if (taken === undefined) continue;
      throw new TransientError({
        code: 'AddressInUse',
        path: `${path}.network.addresses[${index}]`,
        message: `the range ${range} overlaps ${taken} of the network "${other}" of the host`,
        fix: 'give the network a range that no other network of the host has',
        retryAfterMs: 30_000,
      });
    }
  }
}

export function isAllowedSite(policy: Policy, site: NamedSite): boolean {
  try {
    requireAllowedSite(policy, site, '');
    return true;
  } catch {
    return false;
  }
}

/** Path of a site in the provider spec of its Cluster. */
export function sitePath(spec: LibvirtClusterProviderSpec, index: number): string {
  return spec.hosts ? `spec.providerSpec.hosts[${index}]` : 'spec.providerSpec';
}

async function requireAllowedImage(policy: Policy, imageURI: string, path: string): Promise<void> {
  const image = parseImageURI(imageURI);
  if (image.kind === 'source') return requireAllowedSource(policy, image.source, path);
  if (policy.image(image.pool, image.volume) && !readVolumeName(image.volume)) return;
  throw notAllowed(path, `the volume ${image.pool}/${image.volume}`, `volume:${image.pool}/`);
}

async function requireAllowedSource(policy: Policy, uri: string, path: string): Promise<void> {
  if (/^https?:/.test(uri)) {
    if (policy.url(uri)) return;
    const origin = URL.canParse(uri) ? `${new URL(uri).origin}/` : 'this URL';
    throw notAllowed(path, origin, origin);
  }
  const file = uri.startsWith('file:') ? fileURLToPath(uri) : uri;
  if (await policy.file(file)) return;
  throw notAllowed(
    path,
    `the file ${file} of the machine where caplv runs`,
    posix.dirname(posix.normalize(file)),
  );
}

function volumeOf(uri: string): { readonly pool: string; readonly volume: string } {
  const parsed = parseImageURI(uri);
  return parsed.kind === 'volume' ? parsed : { pool: '', volume: uri };
}
