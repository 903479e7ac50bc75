/**
 * Declares the input of the stacks: everything about a machine or a host, resolved. The stacks look up, default and guess nothing:
 * the image was read, libvirt was asked and the user data was rendered before.
 * The words are libvirt's: https://libvirt.org/formatdomain.html
 */

export interface MachineIntent {
  readonly namespace: string;
  /** Name of the Machine, and the host name that the guest is offered. */
  readonly name: string;
  /** UID of the Machine object; also the instance id of the seed and the last part of spec.providerID. */
  readonly uid: string;
  /** libvirt connection URI of the host. */
  readonly uri: string;
  readonly domain: DomainIntent;
  readonly rootDisk: RootDiskIntent;
  readonly disks: readonly DataDiskIntent[];
  readonly seed?: SeedIntent;
  readonly interfaces: readonly InterfaceIntent[];
  /** Terraform JSON that is deep-merged last. */
  readonly terraform?: Readonly<Record<string, unknown>>;
}

export interface DomainIntent {
  /** Name in libvirt, derived from namespace and name. */
  readonly name: string;
  /** The ownership mark of a new domain; an existing domain keeps its own. */
  readonly description: string;
  readonly type: 'kvm' | 'qemu';
  readonly vcpu: number;
  readonly memoryMiB: number;
  /** For example `host-passthrough`, `host-model`, `custom`, `maximum`. */
  readonly cpuMode?: string;
  /** Size of the translation cache of QEMU's emulator in MiB, of type `qemu` only; absent: QEMU's own. A change replaces the domain. */
  readonly tcgCacheMiB?: number;
  /** For example `q35` or `pc`; absent: the provider's default. */
  readonly machine?: string;
  /** Path of the UEFI firmware on the host; absent: BIOS. */
  readonly firmware?: string;
  /** Path of the NVRAM template on the host. */
  readonly nvramTemplate?: string;
  readonly autostart: boolean;
  readonly guestAgent: boolean;
  /** Serial console on a pty. */
  readonly console: boolean;
  /** Graphical console; absent: none. */
  readonly graphics?: 'vnc' | 'spice';
  /** False: defined, not started. */
  readonly running: boolean;
}

export interface RootDiskIntent {
  readonly volume: string;
  readonly pool: string;
  /** Bytes; absent: the size of the base volume. */
  readonly sizeBytes?: number;
  readonly base: VolumeRef;
}

export interface VolumeRef {
  readonly pool: string;
  readonly volume: string;
}

/** Describes a further disk: a new empty volume (`sizeBytes`), or an existing one that is attached and never removed. */
export type DataDiskIntent =
  | {
      readonly kind: 'new';
      readonly name: string;
      readonly volume: string;
      readonly pool: string;
      readonly sizeBytes: number;
      readonly format: 'qcow2' | 'raw';
    }
  | {
      readonly kind: 'existing';
      readonly name: string /** Key of the volume: its path. */;
      readonly volumeKey: string;
    };

/** Describes what the guest reads at its first boot. Contents are secret. */
export type SeedIntent =
  /** A seed ISO, uploaded as it is. `source` is a local path or http(s) URL. */
  | { readonly kind: 'iso'; readonly volume: string; readonly pool: string; readonly source: string }
  | {
      readonly kind: 'ignition';
      readonly volume: string;
      readonly pool: string;
      readonly content: string;
      /** Written into the firmware's tables of the guest; absent: not written. A change of it replaces the domain. */
      readonly identity?: GuestIdentity;
    };

/** Identifies a guest that does not read cloud-init's meta-data. */
export interface GuestIdentity {
  /** A UUID. */
  readonly instanceId: string;
  /** A DNS label. */
  readonly hostname: string;
}

export type InterfaceIntent =
  | ({
      readonly kind: 'network';
      readonly network: string;
      /** One fixed IPv4 address, made a DHCP reservation of the network. */
      readonly addresses?: readonly string[];
      readonly hostname?: string;
    } & InterfaceMac)
  | ({ readonly kind: 'bridge'; readonly bridge: string } & InterfaceMac)
  | ({ readonly kind: 'macvtap'; readonly device: string } & InterfaceMac);

/** Gives the MAC address. Without any the provider chooses one, and a replaced domain gets another. */
export interface InterfaceMac {
  /** As specified; a change of it replaces the domain. */
  readonly mac?: string;
  /** As assigned where none is specified; a change of it replaces nothing. */
  readonly assignedMac?: string;
}

/** Describes what the machines of one libvirt host share. */
export interface HostIntent {
  readonly uri: string;
  readonly networks: readonly NetworkIntent[];
  readonly pools: readonly PoolIntent[];
  readonly images: readonly ImageIntent[];
  /** Names of networks and pools that are not changed, whatever their intent. */
  readonly asIs?: { readonly networks: readonly string[]; readonly pools: readonly string[] };
}

export interface NetworkIntent {
  readonly name: string;
  readonly mode: 'nat' | 'none' | 'route' | 'open' | 'bridge';
  /** CIDRs, at most one IPv4 and one IPv6. Empty for mode `bridge`. */
  readonly addresses: readonly string[];
  /** Existing bridge for mode `bridge`; else the name of the bridge to make. */
  readonly bridge?: string;
  readonly domain?: string;
  readonly dhcp: boolean;
  readonly mtu?: number;
  readonly autostart: boolean;
}

export interface PoolIntent {
  readonly name: string;
  /** Directory on the host. */
  readonly path: string;
}

/** Describes a base image: imported once, shared by overlays. */
export interface ImageIntent {
  readonly volume: string;
  readonly pool: string;
  /** Local path or http(s) URL. */
  readonly source: string;
  /** Digest that the file at `source` must have, `sha256:…` or `sha512:…`; absent: any. */
  readonly checksum?: string;
}

/** Describes where Terraform keeps the state of a stack. `implicit`: no backend block, the state is in the working directory. */
export type BackendIntent =
  | { readonly kind: 'implicit' }
  | { readonly kind: 'local' /** Absolute path of the state file. */; readonly path: string }
  | {
      readonly kind: 'kubernetes';
      readonly secretSuffix: string;
      readonly namespace: string;
      readonly labels: Readonly<Record<string, string>>;
      /** Path of a kubeconfig; absent: KUBE_* variables say how to reach the API server. */
      readonly configPath?: string;
    };
