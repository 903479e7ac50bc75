/** Offers all calls to the libvirt of one host. */

import type { AllowedHost } from '../system/allowed-host.ts';
import { type AddressSource, type DomainAddress, domainAddresses } from './addresses.ts';
import type { DomainObservation } from './domain.ts';
import { DomainXmlCache } from './domain-cache.ts';
import { askFor, type ObserveOptions, observeDomain, observeDomains } from './domain-query.ts';
import { type DomainTypes, domainTypes } from './domain-types.ts';
import { type DomainEvent, domainEvents } from './events.ts';
import { type HasDevice, hostDevices } from './host-devices.ts';
import { type FactsOptions, type HostFacts, hostFacts } from './host-facts.ts';
import { type HostInventory, hostInventory } from './inventory.ts';
import { type Lease, networkLeases } from './leases.ts';

import { removeDomain, removeInactive, removeVolume } from './remove.ts';
import {
  addReservation,
  type NetworkAddresses,
  type NewReservation,
  networkAddresses,
  type Reservation,
  removeReservations,
  replaceReservation,
} from './reservations.ts';
import { powerOffDomain, type ShutdownOptions, shutdownDomain } from './shutdown.ts';
import { type RunOptions, Virsh } from './virsh.ts';
import {
  findVolume,
  growVolume,
  type OpenDisk,
  poolSpace,
  refreshedVolume,
  type Volume,
  type VolumeKey,
  volumeHeader,
} from './volume.ts';

export interface LibvirtOptions {
  /** Connection URI, for example `qemu+ssh://root@host/system`. */
  readonly uri: AllowedHost;
  /** The virsh program. Default `virsh`, from PATH. */
  readonly virsh?: string;
  /** Keeps a connection open until `close`, for a host that is observed again and again. */
  readonly stays?: boolean;
  /** Called when `answers` changes. */
  readonly onAnswer?: (answers: boolean) => void;
  /** Called before each change of the host; what it throws is thrown instead. */
  readonly mayChange?: (() => void) | undefined;
}

/**
 * Observes a libvirt host. Terraform makes all changes but these: a guest is asked to shut down, one that only a Terraform change
 * started or that is stopped by force is powered off, disks are grown in place, proven leftovers are removed, and an interrupted run is completed. Every method may throw
 * LibvirtError; none waits longer than 10 s for an unreachable host.
 */
export class Libvirt {
  readonly #virsh: Virsh;
  readonly #definitions = new DomainXmlCache();
  #domainTypes: Promise<DomainTypes> | undefined;
  readonly #asked = new Map<string, Promise<DomainObservation | undefined>>();

  constructor(options: LibvirtOptions) {
    this.#virsh = new Virsh(options.uri, {
      binary: options.virsh,
      stays: options.stays,
      onAnswer: options.onAnswer,
      mayChange: options.mayChange,
    });
  }

  /** Closes the connection that was kept open, if there is one. */
  close(): void {
    this.#virsh.close();
  }

  /** Returns the URI without its password. */
  get uri(): string {
    return this.#virsh.uri;
  }

  /** Returns whether the host answered the last call, even if by a refusal; undefined: there was none yet. */
  get answers(): boolean | undefined {
    return this.#virsh.answers;
  }

  /** Reads facts of the host, in one process. */
  facts(options?: FactsOptions): Promise<HostFacts> {
    return hostFacts(this.#virsh, options);
  }

  /** Reads what the host can run, once; a failure is not kept. The first call may take a minute where KVM is broken. */
  domainTypes(): Promise<DomainTypes> {
    this.#domainTypes ??= domainTypes(this.#virsh).catch((error: unknown) => {
      this.#domainTypes = undefined;
      throw error;
    });
    return this.#domainTypes;
  }

  /** Reads which network devices the host has, in one process; see `HasDevice`. */
  devices(options?: RunOptions): Promise<HasDevice> {
    return hostDevices(this.#virsh, options);
  }

  /** Observes all domains with the leases of their interfaces, in two processes. */
  domains(options?: ObserveOptions): Promise<DomainObservation[]> {
    return observeDomains(this.#virsh, this.#definitions, options);
  }

  /** Reads everything on the host that could be left behind, in two processes. */
  inventory(options?: RunOptions): Promise<HostInventory> {
    return hostInventory(this.#virsh, this.#definitions, options);
  }

  /** Observes one domain with the leases of its interfaces, in one process. Undefined when there is none of that name. */
  domain(name: string, options?: RunOptions): Promise<DomainObservation | undefined> {
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    return observeDomain(this.#virsh, name, options, asked);
  }

  /** Reads several domains in one process; the next `domain()` of each waits for that. */
  ask(names: readonly string[], options?: RunOptions): void {
    const others = names.filter((name) => !this.#asked.has(name));
    for (const [i, asked] of askFor(this.#virsh, others, options).entries()) {
      // `domain()` reports it.
      asked.catch(() => {});
      this.#asked.set(others[i] ?? '', asked);
    }
  }

  /**
   * Reads addresses that `domain()` does not know: of guests on bridges and macvtap, by agent or arp. Earlier sources win.
   * Without loopback and link-local addresses; empty when none is known.
   */
  addresses(name: string, sources: readonly AddressSource[], options?: RunOptions): Promise<DomainAddress[]> {
    return domainAddresses(this.#virsh, name, sources, options);
  }

  /** Reads leases by network, in one process; none for a network that does not exist. */
  leases(networks: readonly string[], options?: RunOptions): Promise<Map<string, Lease[]>> {
    return networkLeases(this.#virsh, networks, options);
  }

  /** Reads a volume. Undefined when the volume or its pool does not exist. */
  volume(pool: string, name: string, options?: RunOptions): Promise<Volume | undefined> {
    return findVolume(this.#virsh, pool, name, options);
  }

  /** Reads a volume after a refresh of its pool, if that is possible. Undefined when the volume or its pool does not exist. */
  refreshedVolume(pool: string, name: string, options?: RunOptions): Promise<Volume | undefined> {
    return refreshedVolume(this.#virsh, { pool, name }, options);
  }

  /** Reads the first bytes of a volume, by its key; undefined for a volume that is not a file. */
  volumeHeader(key: string, bytes: number, options?: RunOptions): Promise<Buffer | undefined> {
    return volumeHeader(this.#virsh, key, bytes, options);
  }

  /** Returns the free bytes of a pool after a refresh. */
  poolSpace(pool: string, options?: RunOptions): Promise<number> {
    return poolSpace(this.#virsh, pool, options);
  }

  /** Asks the guest repeatedly to shut down, until it is off or the time is over. Never powers it off. */
  shutdown(name: string, options: ShutdownOptions): Promise<'off' | 'timeout'> {
    return shutdownDomain(this.#virsh, name, options);
  }

  /** Powers off a guest that should not run: it was started only a moment ago, or somebody asked for this. Idempotent. */
  powerOff(name: string): Promise<void> {
    return powerOffDomain(this.#virsh, name);
  }

  /** Powers off and undefines a domain that is in no Terraform state. The caller has proven that CAPLV owns it. Idempotent. */
  removeDomain(name: string): Promise<void> {
    return removeDomain(this.#virsh, name);
  }

  /** Deletes a volume with its data that is in no Terraform state. The caller has proven that CAPLV owns it. Idempotent. */
  removeVolume(pool: string, name: string): Promise<void> {
    return removeVolume(this.#virsh, pool, name);
  }

  /** Makes a volume larger in place; see `growVolume`. The caller has proven that CAPLV owns it. */
  growVolume(key: VolumeKey, bytes: number, open?: OpenDisk): Promise<void> {
    return growVolume(this.#virsh, key, bytes, open);
  }

  /** Undefines an inactive network or pool that is in no Terraform state, by UUID; the content of a pool stays. */
  removeInactive(kind: 'network' | 'pool', uuid: string): Promise<void> {
    return removeInactive(this.#virsh, kind, uuid);
  }

  /** Makes a pool start with the host, by UUID. */
  async autostartPool(uuid: string): Promise<void> {
    await this.#virsh.run(['pool-autostart', `--pool=${uuid}`]);
  }

  /** Reads the ranges and reservations by network; leaves out networks that do not exist. */
  networkAddresses(networks: readonly string[]): Promise<Map<string, NetworkAddresses>> {
    return networkAddresses(this.#virsh, networks);
  }

  /** Reserves an address of a network for a MAC. Fails if another reservation has the MAC, name or address. */
  addReservation(
    network: string,
    entry: NewReservation,
    where: readonly ('live' | 'config')[],
  ): Promise<void> {
    return addReservation(this.#virsh, network, entry, where);
  }

  /** Replaces the reservation of the same address in one step. The caller has proven that it may. */
  replaceReservation(
    network: string,
    entry: NewReservation,
    where: readonly ('live' | 'config')[],
  ): Promise<void> {
    return replaceReservation(this.#virsh, network, entry, where);
  }

  /** Removes reservations of a network. The caller has proven that CAPLV owns them. Idempotent. */
  removeReservations(network: string, reservations: readonly Reservation[]): Promise<void> {
    return removeReservations(this.#virsh, network, reservations);
  }

  /** Yields lifecycle events until `signal` aborts, across any number of reconnections. */
  events(signal: AbortSignal): AsyncIterable<DomainEvent> {
    return domainEvents(this.#virsh, signal);
  }
}
