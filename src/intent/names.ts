/**
 * Names of libvirt objects, and the mark by which a domain is known as ours. Every name derives from namespace and name,
 * and ends in the start of the Machine's uid, so that a leftover of another machine of that name is never taken for it.
 */

import { createHash } from 'node:crypto';
import type { ObjectKey } from '../store/store.ts';

/** Identity of a machine: enough to find all that is its own on a host. */
export interface MachineIdentity extends ObjectKey {
  readonly uid: string;
}

/** `default.kube-cp`: a namespace has no dot, so the first dot always divides. */
export function domainName(key: ObjectKey): string {
  return `${key.namespace}.${key.name}`;
}

/** `default.kube-cp.1b9d6bcd-root.qcow2`. `role` is `root`, `seed.iso`, or the name of a data disk. */
export function volumeName(machine: MachineIdentity, role: string): string {
  return `${domainName(machine)}.${machine.uid.slice(0, 8)}-${role}`;
}

/** True for volumes that `volumeName` made for this machine. */
export function isVolumeOf(machine: MachineIdentity, volume: string): boolean {
  return volume.startsWith(volumeName(machine, ''));
}

/** `caplv-image-1b9d6bcd-<key>-debian-12.qcow2`: the installation owns it, the key says which content it has. */
export function imageVolumeName(installation: string, imageKey: string, source: string): string {
  const base = source.split(/[?#]/)[0]?.split('/').pop() ?? 'image';
  const readable = base.replace(/[^\w.-]/g, '_').slice(-40);
  return `caplv-image-${installation.slice(0, 8)}-${shortHash(imageKey)}-${readable}`;
}

/** Written into the domain's description; the only proof of ownership that counts. */
export function ownershipMark(machine: MachineIdentity, cluster: string | undefined): string {
  return `caplv machine ${machine.namespace}/${machine.name} uid ${machine.uid}${cluster ? ` cluster ${cluster}` : ''}`;
}

/** True if the description of a domain says that it belongs to this machine. */
export function isOwnedBy(machine: MachineIdentity, description: string | undefined): boolean {
  return (
    description !== undefined && new RegExp(`^caplv machine .* uid ${machine.uid}( |$)`).test(description)
  );
}

/** `libvirt:///<instance id>`, known before the domain exists. */
export function providerID(machine: { readonly uid: string }): string {
  return `libvirt:///${machine.uid}`;
}

/** Ten hexadecimal digits that stand for `text` in names. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}
