/** Reads the CPUs, memory, pools, networks and volumes of a host. */

import { isIPv6 } from 'node:net';
import { shortLines } from '../system/line-stream.ts';
import { parseNames } from './domain-query.ts';
import { networkDump, prefixOf } from './reservations.ts';
import type { Answer, RunOptions, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { type Volume, type VolumeKey, volumeCommand, volumeFrom, volumePathCommand } from './volume.ts';
import { readXml, XmlElement } from './xml.ts';

/** Describes a host, for the placement of machines. */
export interface HostFacts {
  /** Logical processors. */
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Unused memory and caches that the kernel would give up. */
  readonly freeMemoryMiB: number;
  /** For example `x86_64`. */
  readonly arch: string;
  /** Version of the libvirt daemon, for example `9.0.0`. */
  readonly libvirtVersion: string;
  /** Version of QEMU, for example `7.2.22`; absent with other drivers. */
  readonly qemuVersion?: string | undefined;
  readonly pools: readonly PoolFacts[];
  readonly networks: readonly NetworkFacts[];
  /** Volumes of the requested active pools, and those requested by name that are there. */
  readonly volumes: readonly VolumeFacts[];
  /** Those that were asked about by name, and are there. */
  readonly volumeDetails: readonly Volume[];
  /** Names of all domains, running or not. */
  readonly domains: readonly string[];
}

export interface PoolFacts {
  readonly name: string;
  readonly active: boolean;
  /** Set for the pools in `volumesOf`. */
  readonly details?: PoolDetails | undefined;
}

export interface PoolDetails {
  readonly uuid: string;
  /** `dir`, `logical`, `rbd`, … */
  readonly type: string;
  /** Directory or device; absent for pools over the network. */
  readonly path?: string | undefined;
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

export interface NetworkFacts {
  readonly name: string;
  readonly active: boolean;
  /** Set for the networks in `networks`. */
  readonly details?: NetworkDetails | undefined;
}

export interface NetworkDetails {
  readonly uuid: string;
  readonly bridge?: string | undefined;
  /** `nat`, `route`, `open`, `bridge`, …; `none` when isolated. */
  readonly mode: string;
  /** The host's own addresses in it. */
  readonly addresses: readonly string[];
  /** What the host reaches through it, in CIDR notation: its own ranges, and its routes. */
  readonly ranges: readonly string[];
  /** False: guests get their addresses from elsewhere, and libvirt knows no leases. */
  readonly dhcp: boolean;
}

export interface VolumeFacts {
  readonly pool: string;
  readonly name: string;
  readonly path: string;
}

export interface FactsOptions extends RunOptions {
  /**
   * Pools to read with details and all volumes. A pool that does not exist is missing in the result. libvirt is asked for the path of
   * each volume, which takes 0.2 s for 2,000.
   */
  readonly volumesOf?: readonly string[];
  /** Volumes to read by name, with details; one that does not exist is missing in the result. */
  readonly details?: readonly VolumeKey[];
  /** Volumes to look up by name alone, which takes the same time in a pool of any size. */
  readonly named?: readonly VolumeKey[];
  /** Networks to read with details. */
  readonly networks?: readonly string[];
}

/** Reads all requested facts in one process. */
export async function hostFacts(virsh: Virsh, options: FactsOptions = {}): Promise<HostFacts> {
  const pools = [...new Set(options.volumesOf)];
  const networks = [...new Set(options.networks)];
  const { details = [], named = [] } = options;
  const answers = await virsh.batch(
    [
      ...HOST,
      ...pools.map(poolDump),
      ...pools.map((pool): Command => ['vol-list', `--pool=${pool}`]),
      ...networks.map(networkDump),
      ...details.map(volumeCommand),
      ...named.map(volumePathCommand),
    ],
    options,
  );
  const [node, memory, version, allPools, activePools, allNetworks, activeNetworks, domains] = answers.map(
    ({ text }) => text,
  ) as [string, string, string, string, string, string, string, string];
  const failed = answers.slice(0, HOST.length).find(({ error }) => error)?.error;
  if (failed) throw failed;
  const next = HOST.length;
  const poolXml = byKey(pools, answers.slice(next, next + pools.length));
  const volumeLists = byKey(pools, answers.slice(next + pools.length, next + 2 * pools.length));
  const last = next + 2 * pools.length + networks.length;
  const networkXml = byKey(networks, answers.slice(next + 2 * pools.length, last));
  const volumeDetails = [...byKey(details, answers.slice(last, last + details.length))].flatMap(
    ([key, xml]) => volumeFrom(virsh, key, xml) ?? [],
  );
  const found = named.flatMap((key, i) => volumeAt(key, answers[last + details.length + i]));

  return {
    cpus: Number(field(node, 'CPU(s)')),
    memoryMiB: mebibytes(memory, 'total'),
    freeMemoryMiB: mebibytes(memory, 'free') + mebibytes(memory, 'buffers') + mebibytes(memory, 'cached'),
    arch: field(node, 'CPU model'),
    libvirtVersion:
      field(version, 'Running against daemon') || field(version, 'Using library').replace('libvirt ', ''),
    qemuVersion: /^Running hypervisor: QEMU (\S+)/m.exec(version)?.[1],
    pools: withActive(allPools, activePools).map((pool) => ({
      ...pool,
      details: readXml(virsh, poolDump(pool.name), `pool ${pool.name}`, () =>
        parsePool(poolXml.get(pool.name)),
      ),
    })),
    networks: withActive(allNetworks, activeNetworks).map((network) => ({
      ...network,
      details: readXml(virsh, networkDump(network.name), `network ${network.name}`, () =>
        parseNetwork(networkXml.get(network.name)),
      ),
    })),
    volumes: [
      ...[...volumeLists].flatMap(([pool, text]) => parseVolumeList(pool, text)),
      ...volumeDetails
        .filter(({ pool }) => !volumeLists.has(pool))
        .map(({ pool, name, path }) => ({ pool, name, path })),
      ...found,
    ],
    volumeDetails,
    domains: parseNames(domains),
  };
}

const HOST: readonly Command[] = [
  ['nodeinfo'],
  ['nodememstats'],
  ['version', '--daemon'],
  ['pool-list', '--all', '--name'],
  ['pool-list', '--name'],
  ['net-list', '--all', '--name'],
  ['net-list', '--name'],
  ['list', '--all', '--name'],
];

function poolDump(pool: string): Command {
  return ['pool-dumpxml', `--pool=${pool}`];
}

/** Joins the outputs of two `--name` lists. */
function withActive(all: string, active: string): { readonly name: string; readonly active: boolean }[] {
  const activeNames = new Set(parseNames(active));
  return parseNames(all).map((name) => ({ name, active: activeNames.has(name) }));
}

/** Maps what was asked about to its answer, for answers without an error. */
function byKey<K>(keys: readonly K[], answers: readonly Answer[]): Map<K, string> {
  return new Map(
    keys.flatMap((key, i) => {
      const answer = answers[i];
      return answer && !answer.error ? [[key, answer.text] as const] : [];
    }),
  );
}

function parsePool(xml: string | undefined): PoolDetails | undefined {
  if (xml === undefined) return undefined;
  const pool = XmlElement.parse(xml, 'pool');
  return {
    uuid: pool.child('uuid').text ?? '',
    type: pool.attribute('type') ?? '',
    path: pool.child('target').child('path').text,
    capacityBytes: Number(pool.child('capacity').text),
    availableBytes: Number(pool.child('available').text),
  };
}

function parseNetwork(xml: string | undefined): NetworkDetails | undefined {
  if (xml === undefined) return undefined;
  const network = XmlElement.parse(xml, 'network');
  const ips = network.children('ip');
  return {
    uuid: network.child('uuid').text ?? '',
    bridge: network.child('bridge').attribute('name'),
    mode:
      network.child('forward').attribute('mode') ?? (network.children('forward').length > 0 ? 'nat' : 'none'),
    addresses: ips.flatMap((ip) => ip.attribute('address') ?? []),
    ranges: [...ips, ...network.children('route')].flatMap((one) => rangeOf(one) ?? []),
    dhcp: ips.some((ip) => ip.children('dhcp').length > 0),
  };
}

/** Reads `<ip address='10.1.0.1' netmask='255.255.255.0'/>`. A default route is no range of its own. */
function rangeOf(element: XmlElement): string | undefined {
  const address = element.attribute('address');
  if (address === undefined) return undefined;
  const netmask = element.attribute('netmask');
  const prefix = element.attribute('prefix') ?? (netmask === undefined ? undefined : prefixOf(netmask));
  const length = Number(prefix ?? (isIPv6(address) ? 64 : classPrefix(address)));
  return length === 0 ? undefined : `${address}/${length}`;
}

/** Returns the prefix of the address's class, as before CIDR, which libvirt takes where no prefix is given. */
function classPrefix(address: string): number {
  const first = Number.parseInt(address, 10);
  return first < 128 ? 8 : first < 192 ? 16 : 24;
}

/** Returns nothing for a volume that does not exist. Throws for one of which libvirt does not say whether it does. */
function volumeAt({ pool, name }: VolumeKey, answer: Answer | undefined): VolumeFacts[] {
  if (answer?.error === undefined) return answer ? [{ pool, name, path: answer.text.trim() }] : [];
  if (answer.error.code === 'notFound') return [];
  throw answer.error;
}

/** Reads the output of `virsh -q vol-list`: ` over lay.qcow2   /var/lib/libvirt/images/over lay.qcow2`. */
export function parseVolumeList(pool: string, text: string): VolumeFacts[] {
  return shortLines(text).flatMap((line) => {
    const [, name, path] = /^ (.*?\S)\s{3,}(\S.*?)\s*$/.exec(line) ?? [];
    return name && path ? [{ pool, name, path }] : [];
  });
}

/** Finds a line `label:   value`, as nodeinfo, nodememstats and version print it. */
function field(text: string, label: string): string {
  const line = text.split('\n').find((candidate) => candidate.split(':', 1)[0]?.trim() === label);
  return line?.slice(line.indexOf(':') + 1).trim() ?? '';
}

/** Finds a line `label:   12345 KiB`. */
function mebibytes(text: string, label: string): number {
  return Math.floor(Number.parseInt(field(text, label) || '0', 10) / 1024);
}
