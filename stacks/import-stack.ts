/** Renders a stack that imports existing libvirt objects into a state. */

import { backendBlock } from './backend-block.ts';
import type { HostIntent, MachineIntent } from './intent.ts';
import { canonical, type JsonObject } from './json.ts';
import { literal } from './literal.ts';
import { resourceId } from './resource-id.ts';

/** Describes a libvirt object that the stack of a machine or a host declares. */
export interface StackObject {
  readonly type:
    | 'libvirt_domain'
    | 'libvirt_volume'
    | 'libvirt_ignition'
    | 'libvirt_network'
    | 'libvirt_pool';
  /** As in the address `<type>.<name>`. */
  readonly name: string;
  /** Its name in libvirt. */
  readonly object: string;
  /** Of volumes. */
  readonly pool?: string;
}

/** Adds the id by which the provider imports an existing object: a UUID, or the key of a volume. */
export interface ImportedObject extends StackObject {
  readonly id: string;
}

/** Returns whether both have the same address. */
export function isSame(
  one: Pick<StackObject, 'name'> & { readonly type: string },
  other: Pick<StackObject, 'name'> & { readonly type: string },
): boolean {
  return one.type === other.type && one.name === other.name;
}

/** A machine, whatever its seed is made of. */
type MachineObjects = Pick<MachineIntent, 'domain' | 'rootDisk' | 'disks'> & {
  readonly seed?: { readonly kind: string; readonly volume: string; readonly pool: string };
};

/** Lists the libvirt objects of a machine's stack; a test compares the list with the stack. */
export function objectsOf({ domain, rootDisk, disks, seed }: MachineObjects): StackObject[] {
  const volume = (name: string, { volume: object, pool }: { volume: string; pool: string }) =>
    ({ type: 'libvirt_volume', name, object, pool }) as const;
  return [
    { type: 'libvirt_domain', name: 'machine', object: domain.name },
    volume('root', rootDisk),
    ...disks.flatMap((disk) => (disk.kind === 'new' ? volume(resourceId('disk', disk.name), disk) : [])),
    ...(seed ? [seed.kind === 'ignition' ? ignition(seed) : volume('seed', seed)] : []),
  ];
}

/** Names of what is on a host, as a HostIntent has them. */
interface HostObjects extends Pick<HostIntent, 'images'> {
  readonly networks: readonly { readonly name: string }[];
  readonly pools: readonly { readonly name: string }[];
}

/** Lists the libvirt objects of a host's stack. */
export function objectsOfHost({ networks, pools, images }: HostObjects): StackObject[] {
  return [
    ...networks.map(
      ({ name }) => ({ type: 'libvirt_network', name: resourceId('network', name), object: name }) as const,
    ),
    ...pools.map(
      ({ name }) => ({ type: 'libvirt_pool', name: resourceId('pool', name), object: name }) as const,
    ),
    ...images.map(
      ({ pool, volume }) =>
        ({
          type: 'libvirt_volume',
          name: resourceId('image', pool, volume),
          object: volume,
          pool,
        }) as const,
    ),
  ];
}

function ignition({ volume, pool }: { readonly volume: string; readonly pool: string }): StackObject {
  return { type: 'libvirt_ignition', name: 'seed', object: volume, pool };
}

/**
 * Returns a stack that imports objects into an empty state unchanged: it declares only the arguments that the provider requires.
 * https://developer.hashicorp.com/terraform/language/import (Terraform ≥ 1.5, OpenTofu ≥ 1.6)
 */
export function importStack(uri: string, objects: readonly ImportedObject[]): JsonObject {
  const resource: Record<string, Record<string, JsonObject>> = {};
  for (const { type, name, object } of objects) {
    const declared = { name: literal(object), lifecycle: { ignore_changes: 'all' } };
    const more = type === 'libvirt_pool' ? { type: 'dir' } : {};
    resource[type] = { ...resource[type], [name]: { ...declared, ...more } };
  }
  return canonical({
    import: objects.map(({ type, name, id }) => ({ to: `${type}.${name}`, id: literal(id) })),
    provider: { libvirt: [{ uri: literal(uri) }] },
    resource,
    terraform: {
      backend: backendBlock({ kind: 'implicit' }),
      required_providers: { libvirt: { source: 'dmacvicar/libvirt', version: '0.8.3' } },
    },
  });
}

/**
 * Lists attributes that provider 0.8.3 never reads back, so that they are missing after an import. Most of them would then force
 * the replacement of an object that needs no change.
 */
export const NEVER_READ: Readonly<Record<string, readonly string[]>> = {
  libvirt_domain: [
    'boot_device',
    'cloudinit',
    'console',
    'coreos_ignition',
    'fw_cfg_name',
    'graphics',
    'metadata',
    'qemu_agent',
    'tpm',
    'type',
    'video',
    'xml',
  ],
  libvirt_volume: ['base_volume_id', 'base_volume_name', 'base_volume_pool', 'source', 'xml'],
};

/** Lists attributes of that kind within lists of objects, of which the provider reads a part. */
export const NEVER_READ_WITHIN: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  libvirt_domain: { network_interface: ['hostname'] },
};
