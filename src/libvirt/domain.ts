/** Parses domains: their XML, and their states. */

import type { DomainAddress } from './addresses.ts';
import { copyDetached, XmlElement } from './xml.ts';

/** Names the states of virDomainState as virsh prints them. */
export type DomainState =
  | 'running'
  | 'idle'
  | 'paused'
  | 'shutting-down'
  | 'shutoff'
  | 'crashed'
  | 'pmsuspended'
  | 'unknown';

/** Returns true for a domain that has its disks open: it runs, or is held somewhere on the way. */
export function isOn({ state }: Pick<DomainObservation, 'state'>): boolean {
  return state !== 'shutoff' && state !== 'crashed';
}

export interface DomainObservation {
  readonly name: string;
  readonly uuid: string;
  readonly state: DomainState;
  /** Why it is in this state, as virsh says it: `booted`, `destroyed`, `crashed`, … */
  readonly reason: string;
  /** Contains the ownership mark; empty when there is none. */
  readonly description: string;
  readonly type: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly autostart: boolean;
  /** False: the definition is gone once the domain stops. */
  readonly persistent: boolean;
  readonly interfaces: readonly DomainInterface[];
  readonly disks: readonly DomainDisk[];
  /** The device on the host of the first serial console on a pty, while the domain runs. */
  readonly console?: string | undefined;
  /** Whether qemu-guest-agent has opened its channel; absent when the domain has none or is off. */
  readonly guestAgent?: 'connected' | 'disconnected' | undefined;
  /** DHCP leases of libvirt's own networks, while the domain runs. Guests on bridges have none here: see `addresses`. */
  readonly addresses: readonly DomainAddress[];
}

export interface DomainInterface {
  /** Lower case. */
  readonly mac: string;
  /** `network`, `bridge`, `direct` (macvtap), … */
  readonly type: string;
  readonly network?: string | undefined;
  readonly bridge?: string | undefined;
  /** The host device of a macvtap interface. */
  readonly device?: string | undefined;
  /** The tap device on the host, while the domain runs. */
  readonly target?: string | undefined;
  /**
   * Addresses that the network reserves for its MAC, now and for later starts; absent: none. Set by `Libvirt.domains` and
   * `withReservations`.
   */
  readonly reserved?: readonly string[];
}

export interface DomainDisk {
  /** `disk`, `cdrom`, … */
  readonly device: string;
  /** As the guest's definition calls it: `vda`. */
  readonly target: string;
  /** Path of a file or block device. */
  readonly source?: string | undefined;
  /** Set, with `volume`, when the disk is given by volume instead of path. */
  readonly pool?: string | undefined;
  readonly volume?: string | undefined;
}

/** Holds what `dumpxml` reports of a domain; the rest comes from other commands. */
export type DomainDefinition = Omit<
  DomainObservation,
  'state' | 'reason' | 'autostart' | 'persistent' | 'addresses'
>;

/** Reads the output of `virsh dumpxml`. */
export function parseDomain(xml: string): DomainDefinition {
  const domain = XmlElement.parse(xml, 'domain');
  const devices = domain.child('devices');
  const console = [...devices.children('serial'), ...devices.children('console')]
    .filter((serial) => serial.attribute('type') === 'pty')
    .map((serial) => serial.child('source').attribute('path'))
    .find((path) => path !== undefined);
  return copyDetached({
    name: domain.child('name').text ?? '',
    uuid: domain.child('uuid').text ?? '',
    description: domain.child('description').text ?? '',
    type: domain.attribute('type') ?? '',
    vcpu: Number(domain.child('vcpu').text),
    // libvirt always writes KiB, whatever the unit of the definition was.
    memoryMiB: Number(domain.child('memory').text) / 1024,
    interfaces: devices.children('interface').map(parseInterface),
    disks: devices.children('disk').map(parseDisk),
    console,
    guestAgent: parseAgent(devices),
  });
}

function parseAgent(devices: XmlElement): DomainObservation['guestAgent'] {
  const state = devices
    .children('channel')
    .map((channel) => channel.child('target'))
    .find((target) => target.attribute('name') === 'org.qemu.guest_agent.0')
    ?.attribute('state');
  return state === 'connected' || state === 'disconnected' ? state : undefined;
}

function parseInterface(element: XmlElement): DomainInterface {
  const source = element.child('source');
  return {
    mac: element.child('mac').attribute('address')?.toLowerCase() ?? '',
    type: element.attribute('type') ?? '',
    network: source.attribute('network'),
    bridge: source.attribute('bridge'),
    device: source.attribute('dev'),
    target: element.child('target').attribute('dev'),
  };
}

function parseDisk(element: XmlElement): DomainDisk {
  const source = element.child('source');
  return {
    device: element.attribute('device') ?? 'disk',
    target: element.child('target').attribute('dev') ?? '',
    source: source.attribute('file') ?? source.attribute('dev'),
    pool: source.attribute('pool'),
    volume: source.attribute('volume'),
  };
}

const STATES: Readonly<Record<string, DomainState>> = {
  running: 'running',
  idle: 'idle',
  paused: 'paused',
  'in shutdown': 'shutting-down',
  'shut off': 'shutoff',
  crashed: 'crashed',
  pmsuspended: 'pmsuspended',
};

/** Characters of a state with its reason; libvirt's own have at most 30. */
const STATE_CHARACTERS = 256;

/** Reads the output of `virsh domstate --reason`: `shut off (destroyed)`. */
export function parseState(text: string): { state: DomainState; reason: string } {
  const [, state = '', reason = ''] =
    /^([^(]*?)(?: \((.*)\))?$/.exec(text.trim().slice(0, STATE_CHARACTERS)) ?? [];
  return { state: STATES[state] ?? 'unknown', reason };
}
