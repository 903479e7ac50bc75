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
} from './reservations.ts';
import { powerOffDomain, type ShutdownOptions, shutdownDomain } from './shutdown.ts';
import { type RunOptions, Virsh } from './virsh.ts';
import { findVolume, poolSpace, refreshedVolume, type Volume, volumeHeader } from './volume.ts';

export interface LibvirtOptions {
  /** Connection URI, for example `qemu+ssh://root@host/system`. */
  readonly uri: AllowedHost;
  /** The virsh program. Default `virsh`, from PATH. */
  readonly virsh?: string;
  /** It will be looked at again and again: a connection stays until `close`. */
  readonly stays?: boolean;
  /** Called when `answers` changes. */
  readonly onAnswer?: (answers: boolean) => void;
  /** Called before each change of the host; what it throws is thrown instead. */
  readonly mayChange?: (() => void) | undefined;
}

/**
 * A libvirt host, for looking at. Changes are Terraform's, but for these: a guest is asked to shut down, one that only a change of
 * Terraform's started is powered off, proven leftovers are removed, and what a broken run began is finished. Every method may throw
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

  /** Ends the connection that stays, if there is one. */
  close(): void {
    this.#virsh.close();
  }

  /** The URI without its password. */
  get uri(): string {
    return this.#virsh.uri;
  }

  /** Whether the host answered when it was asked last, if only by a refusal; undefined: it was not asked yet. */
  get answers(): boolean | undefined {
    return this.#virsh.answers;
  }

  /** One process, whatever is asked. */
  facts(options?: FactsOptions): Promise<HostFacts> {
    return hostFacts(this.#virsh, options);
  }

  /** Asked once; a failure is not kept. The first call may take a minute where KVM is broken. */
  domainTypes(): Promise<DomainTypes> {
    this.#domainTypes ??= domainTypes(this.#virsh).catch((error: unknown) => {
      this.#domainTypes = undefined;
      throw error;
    });
    return this.#domainTypes;
  }

  /** Which network devices the host has, in one process; see `HasDevice`. */
  devices(options?: RunOptions): Promise<HasDevice> {
    return hostDevices(this.#virsh, options);
  }

  /** All domains with the leases of their interfaces, in two processes. */
  domains(options?: ObserveOptions): Promise<DomainObservation[]> {
    return observeDomains(this.#virsh, this.#definitions, options);
  }

  /** All that somebody could have left behind on the host, in two processes. */
  inventory(options?: RunOptions): Promise<HostInventory> {
    return hostInventory(this.#virsh, this.#definitions, options);
  }

  /** One domain with the leases of its interfaces, in one process. Undefined when there is none of that name. */
  domain(name: string, options?: RunOptions): Promise<DomainObservation | undefined> {
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    return observeDomain(this.#virsh, name, options, asked);
  }

  /** For a caller who is about to look at each of them: asks in one process, and the next `domain()` of each waits for that. */
  ask(names: readonly string[], options?: RunOptions): void {
    const others = names.filter((name) => !this.#asked.has(name));
    for (const [i, asked] of askFor(this.#virsh, others, options).entries()) {
      // Told to whoever looks.
      asked.catch(() => {});
      this.#asked.set(others[i] ?? '', asked);
    }
  }

  /**
   * Addresses that `domain()` does not know: of guests on bridges and macvtap, by agent or arp. Earlier sources win.
   * Without loopback and link-local addresses; empty when none is known.
   */
  addresses(name: string, sources: readonly AddressSource[], options?: RunOptions): Promise<DomainAddress[]> {
    return domainAddresses(this.#virsh, name, sources, options);
  }

  /** By network, in one process, however many networks; none of a network that is not there. */
  leases(networks: readonly string[], options?: RunOptions): Promise<Map<string, Lease[]>> {
    return networkLeases(this.#virsh, networks, options);
  }

  /** Undefined when the volume or its pool does not exist. */
  volume(pool: string, name: string, options?: RunOptions): Promise<Volume | undefined> {
    return findVolume(this.#virsh, pool, name, options);
  }

  /** A volume as its content is now, if its pool can be read. Undefined when the volume or its pool does not exist. */
  refreshedVolume(pool: string, name: string, options?: RunOptions): Promise<Volume | undefined> {
    return refreshedVolume(this.#virsh, { pool, name }, options);
  }

  /** The first bytes of a volume, by its key; undefined where they cannot be read, since it is no file. */
  volumeHeader(key: string, bytes: number, options?: RunOptions): Promise<Buffer | undefined> {
    return volumeHeader(this.#virsh, key, bytes, options);
  }

  /** Bytes that a pool has left, read anew from its storage. */
  poolSpace(pool: string, options?: RunOptions): Promise<number> {
    return poolSpace(this.#virsh, pool, options);
  }

  /** Asks the guest, again and again, until it is off or the time is over. Never powers it off. */
  shutdown(name: string, options: ShutdownOptions): Promise<'off' | 'timeout'> {
    return shutdownDomain(this.#virsh, name, options);
  }

  /** For a guest that runs since a moment ago and is not meant to. Idempotent. */
  powerOff(name: string): Promise<void> {
    return powerOffDomain(this.#virsh, name);
  }

  /** Powers off and undefines a domain that Terraform does not know. The caller has proven that it is ours. Idempotent. */
  removeDomain(name: string): Promise<void> {
    return removeDomain(this.#virsh, name);
  }

  /** Deletes a volume, with its data, that Terraform does not know. The caller has proven that it is ours. Idempotent. */
  removeVolume(pool: string, name: string): Promise<void> {
    return removeVolume(this.#virsh, pool, name);
  }

  /** A network or pool, by UUID, that is not active and that Terraform does not know; what a pool holds stays. */
  removeInactive(kind: 'network' | 'pool', uuid: string): Promise<void> {
    return removeInactive(this.#virsh, kind, uuid);
  }

  /** By UUID: it is active again after a reboot of the host. */
  async autostartPool(uuid: string): Promise<void> {
    await this.#virsh.run(['pool-autostart', `--pool=${uuid}`]);
  }

  /** By network, what it gives out and has reserved; without networks that are not there. */
  networkAddresses(networks: readonly string[]): Promise<Map<string, NetworkAddresses>> {
    return networkAddresses(this.#virsh, networks);
  }

  /** Keeps an address of a network for a MAC. Fails if another reservation has the MAC, name or address. */
  addReservation(
    network: string,
    entry: NewReservation,
    where: readonly ('live' | 'config')[],
  ): Promise<void> {
    return addReservation(this.#virsh, network, entry, where);
  }

  /** Takes back reservations of a network. The caller has proven that they are ours. Idempotent. */
  removeReservations(network: string, reservations: readonly Reservation[]): Promise<void> {
    return removeReservations(this.#virsh, network, reservations);
  }

  /** Lifecycle events until `signal` aborts, over any number of reconnections. */
  events(signal: AbortSignal): AsyncIterable<DomainEvent> {
    return domainEvents(this.#virsh, signal);
  }
}
