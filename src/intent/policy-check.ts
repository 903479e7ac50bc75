/** Holds objects against the policy, before anything that they name is touched. Throws TerminalError NotAllowed with the field's path. */

import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LibvirtClusterProviderSpec } from '../api/kinds/cluster-provider-spec.ts';
import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError } from '../errors.ts';
import { formatHostURI, isProblem, parseHostURI } from '../libvirt/host-uri.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { parseImageURI } from './image.ts';
import { readVolumeName } from './names.ts';
import { notAllowed, type Policy } from './policy.ts';
import type { NamedSite, Site } from './site.ts';

/** Firmware is read by the host, as a file that the guest can look into. Packages put theirs here. */
const FIRMWARE_DIRECTORY = '/usr/share/';

/** `isMade`: a machine that exists keeps its image, which was looked at when it was new. */
export async function requireAllowedMachine(
  policy: Policy,
  spec: LibvirtMachineProviderSpec,
  path: string,
  isMade: boolean,
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
    if (nic[field] === undefined || policy.bridge) continue;
    throw notAllowed(`${path}.interfaces[${index}].${field}`, `${nic[field]} of the host`, 'bridge');
  }
  if (!isMade) await requireAllowedImage(policy, spec.imageURI, `${path}.imageURI`);
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

/** What the Cluster has made on a host: a network, a pool. Returns the site, which may then be opened. */
export function requireAllowedSite(policy: Policy, named: NamedSite, path: string): Site {
  const site = { ...named, uri: requireAllowedHost(policy, named.uri, `${path}.uri`) };
  const { pool, network } = site;
  if (pool.path !== undefined && !policy.poolPath(pool.path)) {
    throw notAllowed(`${path}.pool.path`, `the directory ${pool.path} of the host`, `pool:${pool.path}`);
  }
  if (network.mode === 'bridge' && !policy.bridge) {
    throw notAllowed(`${path}.network.bridge`, `${network.bridge} of the host`, 'bridge');
  }
  return site;
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
