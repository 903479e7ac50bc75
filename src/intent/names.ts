/**
 * Derives the names of libvirt objects, and the mark that proves the ownership of a domain. Every name derives from namespace and name,
 * and ends in the start of the Machine's uid, so that a leftover of another machine of that name is never taken for it.
 */

import { createHash } from 'node:crypto';
import type { ObjectKey } from '../apimachinery/object.ts';
import { importedName } from './image/compression.ts';

/** Identity of a machine: enough to find all that is its own on a host. */
export interface MachineIdentity extends ObjectKey {
  readonly uid: string;
}

/**
 * How the name of a machine begins that is a LibvirtMachine of the current Cluster API, wherever machines of both APIs stand side by
 * side: no object of Kubernetes can be called so, and so none of the one API ever has a name of the other.
 */
const INFRASTRUCTURE_PREFIX = 'capi~';

/** Returns true for keys of LibvirtMachines and LibvirtClusters. */
export function isInfrastructure({ name }: { readonly name: string }): boolean {
  return name.startsWith(INFRASTRUCTURE_PREFIX);
}

/** Returns the key of a LibvirtMachine or LibvirtCluster among Machines or Clusters. */
export function infrastructureKey({ namespace, name }: ObjectKey): ObjectKey {
  return { namespace, name: INFRASTRUCTURE_PREFIX + name };
}

/** Returns the key of the object in Kubernetes: the inverse of `infrastructureKey`. */
export function objectKey({ namespace, name }: ObjectKey): ObjectKey {
  return { namespace, name: objectName({ name }) };
}

/** Name of the object in Kubernetes: that of a LibvirtMachine without what tells it from a Machine. Also the host name of the guest. */
export function objectName({ name }: { readonly name: string }): string {
  return isInfrastructure({ name }) ? name.slice(INFRASTRUCTURE_PREFIX.length) : name;
}

/** `default.kube-cp`: a namespace has no dot, so the first dot always divides. */
export function domainName(key: ObjectKey): string {
  return `${key.namespace}.${key.name}`;
}

/** `default.kube-cp.1b9d6bcd-root.qcow2`. `role` is `root`, `seed.iso`, or the name of a data disk. */
export function volumeName(machine: MachineIdentity, role: string): string {
  return `${domainName(machine)}.${machine.uid.slice(0, 8)}-${role}`;
}

/** Returns true for volumes that `volumeName` named for this machine. A name may contain what looks like another's prefix. */
export function isVolumeOf({ namespace, name, uid }: MachineIdentity, volume: string): boolean {
  const read = readVolumeName(volume);
  return read?.namespace === namespace && read.name === name && read.uidStart === uid.slice(0, 8);
}

/** `caplv-image-1b9d6bcd-<key>-debian-12.qcow2`: the installation owns it, the key says which content it has. */
export function imageVolumeName(installation: string, imageKey: string, source: string): string {
  const base = source.split(/[?#]/)[0]?.split('/').pop() ?? 'image';
  const readable = importedName(base)
    .replace(/[^\w.-]/g, '_')
    .slice(-40);
  return `${imagePrefix(installation)}${longHash(imageKey)}-${readable}`;
}

/**
 * `caplv-image-1b9d6bcd-<key>-sha256-<start of the digest>`: of one content, wherever it comes from. `digest`: `sha256:<digits>`. The key is
 * of one namespace: who knows the digest of an image of another namespace gets nothing by it.
 */
export function verifiedImageName(
  installation: string,
  { namespace }: Pick<MachineIdentity, 'namespace'>,
  digest: string,
): string {
  const readable = digest.replace(':', '-').slice(0, 'sha256-'.length + 12);
  return `${imagePrefix(installation)}${longHash(`${namespace}/${digest}`)}-${readable}`;
}

/** Returns the prefix of the names of all images that an installation imported. */
export function imagePrefix(installation: string): string {
  return `caplv-image-${installation.slice(0, 8)}-`;
}

/** Returns true for images that any installation imported. */
export function isImageVolume(volume: string): boolean {
  return /^caplv-image-[0-9a-f]{8}-/.test(volume);
}

/**
 * Written into the domain's description; the only proof of ownership that counts, so it holds nothing that may change.
 * `installation`: by it a leftover of a Machine that is no more is known from a machine of another cluster on the same host.
 * Machines made before it was written have none.
 */
export function ownershipMark(machine: MachineIdentity, installation: string | undefined): string {
  const parts = [
    `caplv machine ${machine.namespace}/${machine.name} uid ${machine.uid}`,
    ...(installation ? [`installation ${installation}`] : []),
  ];
  return parts.join(' ');
}

/** Parses the ownership mark in a domain's description; undefined: there is none. Earlier marks name the Cluster, too. */
export function readMark(
  description: string,
): (MachineIdentity & { readonly installation: string | undefined }) | undefined {
  const [, namespace, name, uid, installation] =
    /^caplv machine ([^\s/]+)\/(\S+) uid ([0-9a-f-]{36})(?: cluster \S+)?(?: installation (\S+))?$/.exec(
      description,
    ) ?? [];
  return namespace && name && uid ? { namespace, name, uid, installation } : undefined;
}

/** Parses a name that `volumeName` made; undefined: it is another name. */
export function readVolumeName(
  volume: string,
): (ObjectKey & { readonly uidStart: string; readonly role: string }) | undefined {
  const [, namespace, name, uidStart, role] =
    /^([^.]+)\.(.+)\.([0-9a-f]{8})-(root\.qcow2|seed[.-].+|disk-.+)$/.exec(volume) ?? [];
  return namespace && name && uidStart && role ? { namespace, name, uidStart, role } : undefined;
}

/**
 * The disk whose data a volume holds: `root`, or a name in `disks` (of a disk called root: `disk-root`). Undefined: a seed, or none
 * of our names.
 */
export function diskOfVolume(volume: string): string | undefined {
  const role = readVolumeName(volume)?.role;
  if (role === 'root.qcow2') return ROOT_DISK;
  const [, name] = /^disk-(.+)\.(?:qcow2|raw)$/.exec(role ?? '') ?? [];
  return name === ROOT_DISK ? `disk-${name}` : name;
}

/** Name of the root disk where disks are named. */
export const ROOT_DISK = 'root';

/** Returns true if the description of a domain marks it as this machine's. */
export function isOwnedBy(machine: MachineIdentity, description: string | undefined): boolean {
  return (
    description !== undefined && new RegExp(`^caplv machine .* uid ${machine.uid}( |$)`).test(description)
  );
}

/** `libvirt:///<instance id>`, known before the domain exists. */
export function providerID(machine: { readonly uid: string }): string {
  return `libvirt:///${machine.uid}`;
}

/** Hashes a text for names that identify an owner: no text can be chosen to give the digits of another. */
export function longHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** Returns ten hexadecimal digits of a hash of `text`, for names. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}
