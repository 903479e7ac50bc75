/**
 * Resolves what a manifest leaves open, and refuses what cannot work, before anything runs: reads the image and the user data, and
 * asks the host. The results are pinned in the status, so that an existing machine keeps its base image, domain type and firmware
 * when the file behind the URI, or the host, changes.
 */

import type { ImageIntent } from '../../stacks/intent.ts';
import type { ClaimedAddress, Pinned } from '../api/kinds/machine.ts';
import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError } from '../errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import { virshCommand } from '../libvirt/virsh-command.ts';
import { formatProblem, type Volume } from '../libvirt/volume.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { resolveChecksum } from './checksum-file.ts';
import { withGuestNetwork } from './guest-network.ts';
import type { MachineIntent, SeedIntent } from './hosted-intent.ts';
import { inspectImage, parseImageURI } from './image.ts';
import { assignMacs } from './mac.ts';
import { bytesOf, interfacesOf, machineIntent, poolOf } from './machine-intent.ts';
import { imageVolumeName, type MachineIdentity, verifiedImageName } from './names.ts';
import type { Policy } from './policy.ts';
import { reservedAddresses } from './reservations.ts';
import type { SshAccess } from './seed/ssh-access.ts';
import type { Site } from './site.ts';

export interface MachineRequest {
  readonly machine: MachineIdentity;
  readonly cluster: string | undefined;
  readonly spec: LibvirtMachineProviderSpec;
  /** Path of the provider spec in the manifest, for errors. */
  readonly path: string;
  readonly site: Site;
  readonly seed: SeedIntent;
  /** Public keys that the seed has. */
  readonly sshAccess?: SshAccess | undefined;
  readonly pinned: Pinned | undefined;
  /** It was applied once: it keeps its image as long as that is not changed. Default: it was not. */
  readonly isMade?: boolean | undefined;
  /** Addresses that pools granted it. */
  readonly claimed?: readonly ClaimedAddress[] | undefined;
  /** Identity of the store, part of the names of shared images and of the marks of domains. */
  readonly installation: string;
  readonly libvirt: Libvirt;
  readonly policy: Policy;
}

export interface ResolvedMachine {
  readonly intent: MachineIntent;
  readonly pinned: Pinned;
}

/** The image that a pinned machine needs on its host; undefined when it is a volume that was there before. */
export function imageOf(pinned: Pinned): ImageIntent | undefined {
  const { base, imageSource, imageDigest } = pinned;
  if (imageSource === undefined) return undefined;
  return {
    ...base,
    source: imageSource,
    ...(imageDigest === undefined ? {} : { checksum: imageDigest }),
  };
}

/** Throws TerminalError for what cannot work (with the field's path), TransientError for what may come. */
export async function resolveMachine(request: MachineRequest): Promise<ResolvedMachine> {
  const { spec, pinned, site, isMade = false } = request;
  const sameImage = pinned && isMadeOf(pinned, spec, site, isMade) ? pinned : undefined;
  const [image, domainType, firmware, volumePaths] = await Promise.all([
    sameImage ?? resolveImage(request),
    resolveDomainType(request),
    resolveFirmware(request),
    resolveVolumePaths(request),
  ]);
  const { base, imageSource, imageChecksum, imageDigest } = image;
  // A changed mark would replace the domain.
  const installation = pinned ? pinned.installation : request.installation;
  // One that was made before has what the provider chose; see `withObservedMacs`.
  const macs = pinned && pinned.macs === undefined ? undefined : assignMacs(request);
  const { machine, cluster, path, claimed } = request;
  const interfaces = interfacesOf(machine, spec, site, macs);
  const seed = withGuestNetwork(request.seed, { spec, interfaces, path, claimed });
  const given = { network: site.network.name, pool: site.pool.name };
  const resolved: Pinned = {
    uri: site.uri,
    site: pinned?.site ?? { ...(cluster === undefined ? {} : { cluster }), ...given },
    domainType,
    imageURI: spec.imageURI,
    base,
    ...(imageSource === undefined ? {} : { imageSource }),
    ...(imageChecksum === undefined ? {} : { imageChecksum }),
    ...(imageDigest === undefined ? {} : { imageDigest }),
    ...(firmware === undefined ? {} : { firmware }),
    ...(installation === undefined ? {} : { installation }),
    ...(macs === undefined ? {} : { macs: [...macs] }),
    ...(request.sshAccess === undefined ? {} : { sshAccess: request.sshAccess }),
  };
  const intent = machineIntent({
    machine,
    installation,
    spec,
    site,
    baseVolume: base,
    seed,
    domainType,
    firmware: firmware && { loader: firmware.loader, nvramTemplate: firmware.nvramTemplate },
    volumePaths,
    macs,
  });
  return {
    intent,
    pinned: macs === undefined ? resolved : { ...resolved, reservations: reservedAddresses(intent) },
  };
}

/**
 * An image that was imported lies in the pool of its machine. A machine that was made does not get another image because its checksum is
 * given from now on, or no longer.
 */
function isMadeOf(
  pinned: Pinned,
  { imageURI, imageChecksum, ...spec }: LibvirtMachineProviderSpec,
  site: Site,
  isMade: boolean,
): boolean {
  if (pinned.imageURI !== imageURI) return false;
  const isEachGiven = pinned.imageChecksum !== undefined && imageChecksum !== undefined;
  if (pinned.imageChecksum !== imageChecksum && (isEachGiven || !isMade)) return false;
  return pinned.imageSource === undefined || pinned.base.pool === poolOf(spec, site);
}

type PinnedImage = Pick<Pinned, 'base' | 'imageSource' | 'imageChecksum' | 'imageDigest'>;

async function resolveImage(request: MachineRequest): Promise<PinnedImage> {
  const { spec, site, path, libvirt, policy } = request;
  const image = parseImageURI(spec.imageURI);
  if (image.kind === 'volume') {
    const volume = await libvirt.volume(image.pool, image.volume);
    if (!volume) throw volumeMissing(image.pool, image.volume, site.uri, `${path}.imageURI`);
    refuseOtherFormats(volume, `${image.pool}/${image.volume}`, `${path}.imageURI`, policy);
    requireRoom(spec, volume.capacityBytes, path);
    return { base: { pool: image.pool, volume: image.volume } };
  }
  const facts = await inspectImage(image.source, `${path}.imageURI`, policy);
  requireRoom(spec, facts.virtualSizeBytes, path);
  const { installation, machine } = request;
  const { imageChecksum } = spec;
  const pool = poolOf(spec, site);
  const { source } = image;
  if (imageChecksum === undefined) {
    const volume = imageVolumeName(installation, facts.key, source);
    return { base: { pool, volume }, imageSource: source };
  }
  const imageDigest = await resolveChecksum(imageChecksum, source, `${path}.imageChecksum`, policy);
  const volume = verifiedImageName(installation, machine, imageDigest);
  return { base: { pool, volume }, imageSource: source, imageChecksum, imageDigest };
}

/** @throws TerminalError InvalidConfiguration for a root disk that is smaller than the disk of `imageBytes` bytes in its image */
export function requireRoom(
  spec: Pick<LibvirtMachineProviderSpec, 'rootDisk'>,
  imageBytes: number | undefined,
  path: string,
): void {
  const sizeGB = spec.rootDisk?.sizeGB;
  if (sizeGB === undefined || imageBytes === undefined || bytesOf(sizeGB) >= imageBytes) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.rootDisk.sizeGB`,
    message: `the root disk of ${sizeGB} GB is smaller than the disk in the image (${(imageBytes / 1024 ** 3).toFixed(2)} GB)`,
    fix: 'make it at least that large, or leave sizeGB out',
  });
}

async function resolveDomainType({
  spec,
  path,
  pinned,
  site,
  libvirt,
}: MachineRequest): Promise<'kvm' | 'qemu'> {
  if (spec.domainType === 'qemu') return 'qemu';
  if (spec.domainType === 'auto' && pinned) return pinned.domainType;
  const { kvm } = await libvirt.domainTypes();
  if (kvm) return 'kvm';
  if (spec.domainType === 'auto') return 'qemu';
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.domainType`,
    message: `host ${site.uri} cannot run kvm guests`,
    fix: 'enable virtualisation in its firmware and load the kvm modules, or use domainType: auto',
  });
}

async function resolveFirmware({
  spec,
  path,
  pinned,
  site,
  libvirt,
}: MachineRequest): Promise<Pinned['firmware']> {
  if (spec.firmware === 'bios') return undefined;
  if (spec.firmware !== 'uefi') return { loader: spec.firmware, nvramTemplate: spec.nvramTemplate };
  if (pinned?.firmware) return pinned.firmware;
  const { uefi } = await libvirt.domainTypes();
  const [offered] = uefi;
  if (offered) return { loader: offered.loader, nvramTemplate: spec.nvramTemplate ?? offered.nvramTemplate };
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.firmware`,
    message: `host ${site.uri} offers no UEFI firmware`,
    fix: 'install it there (Debian: apt-get install ovmf), or give the path of a firmware file',
  });
}

async function resolveVolumePaths({
  spec,
  path,
  site,
  libvirt,
  policy,
}: MachineRequest): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const [index, { volume: reference }] of (spec.disks ?? []).entries()) {
    if (reference === undefined) continue;
    const slash = reference.indexOf('/');
    const [pool, volume] = [reference.slice(0, slash), reference.slice(slash + 1)];
    const found = await libvirt.volume(pool, volume);
    if (!found) throw volumeMissing(pool, volume, site.uri, `${path}.disks[${index}].volume`);
    refuseOtherFormats(found, reference, `${path}.disks[${index}].volume`, policy);
    paths.set(reference, found.path);
  }
  return paths;
}

/** What a guest writes into a raw volume libvirt may take for a header that names any file of the host. */
function refuseOtherFormats(volume: Volume, reference: string, path: string, policy: Policy): void {
  const problem = formatProblem(volume);
  if (problem === undefined || policy.everything) return;
  throw new TerminalError({
    code: 'ImageInvalid',
    path,
    message: `the volume ${reference} ${problem}`,
    fix: 'make one file of it: qemu-img convert -O qcow2 INPUT OUTPUT',
  });
}

function volumeMissing(pool: string, volume: string, uri: AllowedHost, path: string): TerminalError {
  return new TerminalError({
    code: 'ImageNotFound',
    path,
    missing: { kind: 'volume', uri, pool, volume },
    message: `pool "${pool}" of ${uri} has no volume "${volume}"`,
    fix: `see what there is: ${virshCommand(uri, 'vol-list', pool)}`,
  });
}
