/** Builds the intent of a machine's stack from the Machine and what was resolved for it. Pure. */

import type { DataDiskIntent, InterfaceIntent, VolumeRef } from '../../stacks/intent.ts';
import { isStatic } from '../api/kinds/machine-interface.ts';
import { type LibvirtMachineProviderSpec, memoryMiB } from '../api/kinds/machine-provider-spec.ts';
import type { MachineIntent, SeedIntent } from './hosted-intent.ts';
import {
  domainName,
  type MachineIdentity,
  objectName,
  ownershipMark,
  shortHash,
  volumeName,
} from './names.ts';
import type { Site } from './site.ts';

/** Holds what was resolved beside the manifest. */
export interface MachineFindings {
  readonly machine: MachineIdentity;
  /** Who made it; undefined for a machine that was made before that was written down. */
  readonly installation: string | undefined;
  readonly spec: LibvirtMachineProviderSpec;
  readonly site: Site;
  readonly baseVolume: VolumeRef;
  readonly seed: SeedIntent;
  readonly domainType: 'kvm' | 'qemu';
  /** Paths on the host; undefined: BIOS. */
  readonly firmware: { readonly loader: string; readonly nvramTemplate: string | undefined } | undefined;
  /** Paths of the existing volumes that the spec names as POOL/NAME. */
  readonly volumePaths: ReadonlyMap<string, string>;
  /** Of the interfaces, in their order; undefined for a machine that was made before they were assigned. */
  readonly macs: readonly string[] | undefined;
}

const GB = 1024 ** 3;

export function machineIntent(findings: MachineFindings): MachineIntent {
  const { machine, spec, site, firmware } = findings;
  const pool = poolOf(spec, site);
  return {
    namespace: machine.namespace,
    name: machine.name,
    uid: machine.uid,
    uri: site.uri,
    domain: {
      name: domainName(machine),
      description: ownershipMark(machine, findings.installation),
      type: findings.domainType,
      vcpu: spec.vcpu,
      memoryMiB: memoryMiB(spec),
      autostart: spec.autostart,
      guestAgent: spec.guestAgent,
      console: spec.console,
      running: spec.running,
      ...(spec.cpu === undefined ? {} : { cpuMode: spec.cpu.mode }),
      // Hardware virtualisation translates nothing.
      ...(spec.tcg === undefined || findings.domainType === 'kvm' ? {} : { tcgCacheMiB: spec.tcg.cacheMiB }),
      ...(spec.machineType === undefined ? {} : { machine: spec.machineType }),
      ...(spec.graphics === 'none' ? {} : { graphics: spec.graphics }),
      ...(firmware === undefined ? {} : { firmware: firmware.loader }),
      ...(firmware?.nvramTemplate === undefined ? {} : { nvramTemplate: firmware.nvramTemplate }),
    },
    rootDisk: {
      volume: volumeName(machine, 'root.qcow2'),
      pool,
      base: findings.baseVolume,
      ...(spec.rootDisk?.sizeGB === undefined ? {} : { sizeBytes: bytesOf(spec.rootDisk.sizeGB) }),
    },
    disks: (spec.disks ?? []).map((disk) => diskIntent(disk, findings, pool)),
    seed: findings.seed,
    interfaces: interfacesOf(machine, spec, site, findings.macs),
    ...(spec.terraform === undefined ? {} : { terraform: spec.terraform }),
  };
}

/** The pool of a machine's own volumes. */
export function poolOf(spec: Pick<LibvirtMachineProviderSpec, 'pool'>, site: Site): string {
  return spec.pool ?? site.pool.name;
}

/** Returns the volumes that a machine of this specification has for its own, but for a seed that is named after its content. */
export function ownVolumes(
  machine: MachineIdentity,
  spec: Pick<LibvirtMachineProviderSpec, 'pool' | 'disks'>,
  site: Site,
): { readonly pool: string; readonly name: string }[] {
  const pool = poolOf(spec, site);
  const disks = (spec.disks ?? []).filter(({ volume }) => volume === undefined);
  return [
    { pool, name: volumeName(machine, 'root.qcow2') },
    { pool, name: volumeName(machine, 'seed.iso') },
    ...disks.map((disk) => ({ pool: disk.pool ?? pool, name: diskVolume(machine, disk) })),
  ];
}

function diskVolume(machine: MachineIdentity, { name, format = 'qcow2' }: DiskSpec): string {
  return volumeName(machine, `disk-${name}.${format}`);
}

/**
 * Returns a hash that changes exactly when the specification does, so not with assigned MAC addresses. Its input cannot be read
 * back.
 */
export function intentHash(intent: MachineIntent): string {
  return shortHash(JSON.stringify(intent, (key, value) => (key === 'assignedMac' ? undefined : value)));
}

/** Rounds to whole MiB, since qcow2 and libvirt round to sectors anyway. */
export function bytesOf(sizeGB: number): number {
  return Math.ceil((sizeGB * GB) / 1024 ** 2) * 1024 ** 2;
}

type DiskSpec = NonNullable<LibvirtMachineProviderSpec['disks']>[number];
type InterfaceSpec = NonNullable<LibvirtMachineProviderSpec['interfaces']>[number];

function diskIntent(disk: DiskSpec, findings: MachineFindings, pool: string): DataDiskIntent {
  if (disk.volume !== undefined) {
    return {
      kind: 'existing',
      name: disk.name,
      volumeKey: findings.volumePaths.get(disk.volume) ?? disk.volume,
    };
  }
  const format = disk.format ?? 'qcow2';
  return {
    kind: 'new',
    name: disk.name,
    volume: diskVolume(findings.machine, disk),
    pool: disk.pool ?? pool,
    sizeBytes: bytesOf(disk.sizeGB ?? 0),
    format,
  };
}

/** One interface in the site's network where the spec names none. `macs`: as they were assigned, by index. */
export function interfacesOf(
  machine: MachineIdentity,
  spec: Pick<LibvirtMachineProviderSpec, 'interfaces'>,
  site: Site,
  macs: readonly string[] = [],
): InterfaceIntent[] {
  const all = spec.interfaces ?? [{}];
  const networkOf = ({ network = site.network.name }: InterfaceSpec) => network;
  return all.map((nic, index) => {
    // A network keeps one reservation for a host name.
    const isFurther = all
      .slice(0, index)
      .some((one) => networkOf(one) === networkOf(nic) && [one, nic].every(reservedAddress));
    const own = objectName(machine);
    const hostname = isFurther ? `${own.slice(0, 60)}-${index}` : own;
    return interfaceIntent(nic, macs[index], hostname, site);
  });
}

/** Returns the address that the network is to keep for the interface. */
export function reservedAddress(nic: InterfaceSpec): string | undefined {
  return isStatic(nic) ? undefined : nic.addresses?.[0];
}

function interfaceIntent(
  nic: InterfaceSpec,
  assigned: string | undefined,
  hostname: string,
  site: Site,
): InterfaceIntent {
  const mac =
    nic.mac !== undefined
      ? { mac: nic.mac.toLowerCase() }
      : assigned !== undefined
        ? { assignedMac: assigned }
        : {};
  if (nic.bridge !== undefined) return { kind: 'bridge', bridge: nic.bridge, ...mac };
  if (nic.macvtap !== undefined) return { kind: 'macvtap', device: nic.macvtap, ...mac };
  return {
    kind: 'network',
    network: nic.network ?? site.network.name,
    hostname: nic.hostname ?? hostname,
    ...mac,
    ...(nic.addresses === undefined || isStatic(nic) ? {} : { addresses: nic.addresses }),
  };
}
