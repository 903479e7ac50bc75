/**
 * Decides what manifests may name: sources of images and user data, volumes, hosts and paths of hosts. Manifests of the operator may
 * name everything; in a cluster their authors do not run the controller, so its operator decides.
 */

import { realpath } from 'node:fs/promises';
import { posix, resolve } from 'node:path';

import { TerminalError } from '../errors.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { type AddressScope, PRIVATE_RANGES, widestScope } from '../system/network/address-scope.ts';
import { isCIDR, isWithin } from '../system/network/cidr.ts';
import { HostList } from './policy/host-list.ts';
import { ServerList } from './policy/server-list.ts';

/** For people who work on their own machine. */
export const EVERYTHING = 'everything';
/** For a controller in a cluster: nothing of the machine that it runs on, nor of the hosts. */
export const CLUSTER_DEFAULT = 'https://';
/** Largest disk in an image, in GB, for a controller in a cluster. */
export const CLUSTER_MAX_IMAGE_GB = 128;

const KEYWORDS = [EVERYTHING, 'terraform', 'bridge'] as const;
const FORMS =
  'everything, terraform, bridge, bridge:NAME, https://[HOST[/PATH]], http://…, /DIRECTORY, volume:POOL/[NAME], ' +
  'disk:POOL/[NAME], pool:/DIRECTORY, pool:NAME, network:NAME, network:CIDR, host:URI, workload:HOST|CIDR[:PORT]';
/** The network and the pool that libvirt creates at installation, which every namespace may use. */
const DEFAULT_NAME = 'default';
/** How networks in ranges that no operator listed may reach the outside: not at all, or by the host's own address. */
const TRANSLATED: readonly string[] = ['nat', 'none'];

export interface PolicyOptions {
  /** What is allowed, as `--allow` takes it: forms divided by commas. */
  readonly allow: string;
  readonly maxImageGB?: number | undefined;
  /** The host for manifests that name none: always allowed. Default `qemu:///system`. */
  readonly libvirtUri?: string | undefined;
}

export const DEFAULT_LIBVIRT_URI = 'qemu:///system';

export class Policy {
  /** Largest disk in an image, in bytes. */
  readonly maxImageBytes: number;
  /** Which libvirt hosts may be opened. */
  readonly hosts: HostList;
  /** Which API servers of workload clusters may be connected to. */
  readonly servers: ServerList;
  readonly #entries: readonly string[];

  /** Throws TerminalError InvalidConfiguration for a form that is not known, and for a libvirt URI or server that cannot be used. */
  constructor({ allow, maxImageGB, libvirtUri = DEFAULT_LIBVIRT_URI }: PolicyOptions) {
    this.#entries = allow
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean);
    this.maxImageBytes = maxImageGB === undefined ? Number.POSITIVE_INFINITY : maxImageGB * 1024 ** 3;
    for (const entry of this.#entries) requireForm(entry);
    this.hosts = new HostList({ main: libvirtUri, listed: this.#of('host'), isOpen: this.everything });
    this.servers = new ServerList(this.#of('workload'), this.everything);
  }

  /** The host for manifests that name none. */
  get defaultHost(): AllowedHost {
    return this.hosts.main;
  }

  get everything(): boolean {
    return this.#entries.includes(EVERYTHING);
  }

  /** Terraform of the manifest's own, which can run programs where caplv runs. */
  get terraform(): boolean {
    return this.everything || this.#entries.includes('terraform');
  }

  /** A bridge or device of a host. */
  bridge(name: string): boolean {
    return this.everything || this.#entries.includes('bridge') || this.#of('bridge').includes(name);
  }

  /** A network or pool of a host, for all namespaces. */
  shares(what: 'network' | 'pool', name: string): boolean {
    return this.everything || name === DEFAULT_NAME || this.#of(what).includes(name);
  }

  /** A network or pool of that name, made by a Cluster: what is everybody's is no Cluster's, unless the operator says so. */
  mayMake(what: 'network' | 'pool', name: string): boolean {
    return this.everything || name !== DEFAULT_NAME || this.#of(what).includes(name);
  }

  /** A range (CIDR) of a network that a Cluster makes. */
  range(range: string): boolean {
    const listed = this.#ranges;
    return (
      this.everything || (listed.length > 0 ? listed : PRIVATE_RANGES).some((one) => isWithin(range, one))
    );
  }

  /** A mode of a network with these ranges that a Cluster makes: what is routed is reached under its own addresses. */
  networkMode(mode: string, ranges: readonly string[]): boolean {
    if (this.everything || TRANSLATED.includes(mode)) return true;
    return ranges.every((range) => this.#ranges.some((one) => isWithin(range, one)));
  }

  get #ranges(): readonly string[] {
    return this.#of('network').filter((name) => name.includes('/'));
  }

  /** An absolute path or file: URI on this machine, wherever symbolic links lead. */
  async file(path: string): Promise<boolean> {
    if (this.everything) return true;
    if (path.length > PATH_CHARACTERS) return false;
    const real = await realpath(path).catch(() => resolve(path));
    for (const entry of this.#entries) {
      if (!entry.startsWith('/')) continue;
      if (isBelow(await realpath(entry).catch(() => resolve(entry)), real)) return true;
    }
    return false;
  }

  url(url: string): boolean {
    return this.addressesOf(url) !== undefined;
  }

  /**
   * Which addresses the host of a URL may have: any if the operator named it (`local`), all but this machine's and its link's if the
   * operator named its domain (`private`), and those of the Internet if any host will do (`public`). Undefined: the URL is not allowed.
   */
  addressesOf(url: string): AddressScope | undefined {
    if (this.everything) return 'local';
    return widestScope(this.#entries.flatMap((entry) => matchUrl(entry, url) ?? []));
  }

  /** A volume of a host, as the source of machines' disks. */
  image(pool: string, volume: string): boolean {
    return this.#volume('volume', pool, volume);
  }

  /** A volume of a host that a guest reads and writes. */
  disk(pool: string, volume: string): boolean {
    return this.#volume('disk', pool, volume);
  }

  /** A directory of a host, for a pool. */
  poolPath(path: string): boolean {
    if (this.everything) return true;
    if (path.length > PATH_CHARACTERS) return false;
    const directories = this.#of('pool').filter((entry) => entry.startsWith('/'));
    return directories.some((directory) => isBelow(directory, posix.normalize(path)));
  }

  /** The host that a manifest names by its libvirt URI; undefined: it is not allowed, or cannot be read. */
  host(uri: string): AllowedHost | undefined {
    return this.hosts.find(uri);
  }

  #volume(kind: 'volume' | 'disk', pool: string, volume: string): boolean {
    return (
      this.everything ||
      this.#of(kind).some((entry) =>
        entry.endsWith('/') ? entry === `${pool}/` : entry === `${pool}/${volume}`,
      )
    );
  }

  #of(kind: string): string[] {
    return this.#entries.filter((one) => one.startsWith(`${kind}:`)).map((one) => one.slice(kind.length + 1));
  }
}

/** For manifests of one's own. */
export const UNLIMITED = new Policy({ allow: EVERYTHING });

/** `entry`: the form that would allow it. */
export function notAllowed(path: string, what: string, entry: string): TerminalError {
  return new TerminalError({
    code: 'NotAllowed',
    path,
    message: `${what} is not among what the operator of this controller allows`,
    fix: `use what is allowed, or have it allowed: --allow (CAPLV_ALLOW) with ${entry}`,
  });
}

function requireForm(entry: string): void {
  const isKnown =
    (KEYWORDS as readonly string[]).includes(entry) ||
    /^(https?:\/\/\S*|\/.*|volume:[^/]+\/.*|disk:[^/]+\/.*|pool:\/.*|host:\S+:\/\/\S+|workload:\S+)$/.test(
      entry,
    ) ||
    /^(network|pool|bridge):[^/\s]+$/.test(entry) ||
    (entry.startsWith('network:') && isCIDR(entry.slice('network:'.length)));
  if (isKnown) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: '--allow',
    message: `invalid value "${entry}"`,
    fix: `use one or more of ${FORMS}`,
  });
}

/** Characters of a path that Linux takes; to normalize a longer one takes the square of its length. */
const PATH_CHARACTERS = 4_096;

function isBelow(directory: string, path: string): boolean {
  const root = directory.replace(/\/+$/, '');
  return path === root || path.startsWith(`${root}/`);
}

/**
 * `https://` stands for every host, `https://*.example.com` for all below it; a path for all below that. Returns the addresses that the
 * host may have, undefined for a URL that the entry does not stand for.
 */
function matchUrl(entry: string, url: string): AddressScope | undefined {
  const [, scheme, host = '', path = ''] = /^(https?):\/\/([^/]*)(.*)$/.exec(entry) ?? [];
  if (scheme === undefined || !URL.canParse(url)) return undefined;
  const wanted = new URL(url);
  if (wanted.protocol !== `${scheme}:`) return undefined;
  if (host !== '' && !matchesHost(host.toLowerCase(), wanted)) return undefined;
  // `..` is resolved by now; what is encoded is for the server to read, so it is taken as it may be read there.
  const decoded = /%2e|%2f|%5c/i.test(wanted.pathname) ? undefined : wanted.pathname;
  const isPath = path === '' || path === '/' || (decoded !== undefined && isBelow(path, decoded));
  if (!isPath) return undefined;
  return host === '' ? 'public' : host.startsWith('*.') ? 'private' : 'local';
}

function matchesHost(host: string, { host: wanted, hostname }: URL): boolean {
  return host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : host === wanted;
}
