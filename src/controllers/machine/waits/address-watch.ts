/**
 * Looks out for the addresses of guests that boot. libvirt tells of no lease, so somebody has to look: here that is one process
 * a host each half second, however many wait, and none when nobody does. A Machine is reconciled once its guest has an address.
 */

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectKey } from '../../../apimachinery/object.ts';
import { formatKey } from '../../../apimachinery/object-key.ts';
import type { DomainAddress } from '../../../libvirt/addresses.ts';
import type { Lease } from '../../../libvirt/leases.ts';
import { leasedAddresses, leasesOf, leaseVersion } from '../../../libvirt/leases.ts';
import type { Libvirt } from '../../../libvirt/libvirt.ts';
import { LibvirtError } from '../../../libvirt/libvirt-error.ts';
import type { AllowedHost } from '../../../system/allowed-host.ts';
import type { Logger } from '../../../telemetry/logger.ts';
import { addressPollMs, type Guest } from './guest-addresses.ts';

export interface AddressWatchOptions {
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  readonly log: Logger;
  /** The guest of this Machine has an address. Told once: who looked and saw none has to wait anew. */
  readonly onAddress: (key: ObjectKey) => void;
  /** Whether the Machine is there and is to stay. */
  readonly isWanted: (key: ObjectKey) => boolean;
  /** Milliseconds until a host that gave no answer is asked again; default 5000. */
  readonly unreachableMs?: number;
}

interface Waiting {
  readonly key: ObjectKey;
  readonly guest: Guest;
  /** Of the leases; performance.now(). */
  lookAt: number;
  /** Of the guest's agent, or of the host's neighbours. */
  askAt: number;
}

/** By formatted key. */
type Guests = Map<string, Waiting>;

const LOOK_MS = 500;
/** A process, sometimes two, for each guest; and an agent is there late in the boot. */
const ASK_MS = 2_000;
/** An agent that hangs takes 5 s. */
const ASKED_AT_ONCE = 4;
/** Who watches the host has its Machines reconciled when it is back. */
const UNREACHABLE_MS = 5_000;

export class AddressWatch {
  readonly name = 'addresses';
  readonly #options: AddressWatchOptions;
  readonly #hosts = new Map<string, Guests>();
  readonly #working = new Set<Promise<void>>();
  readonly #stopped = new AbortController();

  constructor(options: AddressWatchOptions) {
    this.#options = options;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await once(signal, 'abort');
    this.#stopped.abort();
    await Promise.all(this.#working);
  }

  /** Takes the place of what was said of this Machine before. Undefined: it waits for no address. */
  await(key: ObjectKey, guest: Guest | undefined): void {
    const name = formatKey(key);
    for (const guests of this.#hosts.values()) guests.delete(name);
    if (guest === undefined || this.#stopped.signal.aborted) return;
    const now = performance.now();
    const waiting = { key, guest, lookAt: nextLook(now, guest), askAt: nextQuestion(now, guest) };
    const known = this.#hosts.get(guest.uri);
    if (known) known.set(name, waiting);
    else this.#begin(guest.uri, new Map([[name, waiting]]));
  }

  #begin(uri: AllowedHost, guests: Guests): void {
    this.#hosts.set(uri, guests);
    const libvirt = this.#options.libvirt(uri);
    const work = Promise.all([
      this.#repeat(uri, guests, () => this.#look(libvirt, guests)),
      this.#repeat(uri, guests, () => this.#ask(libvirt, guests)),
    ]).then(() => {
      this.#working.delete(work);
    });
    this.#working.add(work);
  }

  /** While somebody waits. */
  async #repeat(uri: AllowedHost, guests: Guests, work: () => Promise<void>): Promise<void> {
    const { log, isWanted, libvirt, unreachableMs = UNREACHABLE_MS } = this.#options;
    const { signal } = this.#stopped;
    let pauseMs = LOOK_MS;
    while (this.#hosts.get(uri) === guests) {
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
      for (const [name, { key }] of guests) if (!isWanted(key)) guests.delete(name);
      if (guests.size === 0 || signal.aborted) this.#hosts.delete(uri);
      if (this.#hosts.get(uri) !== guests) return;
      pauseMs = LOOK_MS;
      await work().catch((error: unknown) => {
        if (signal.aborted) return;
        pauseMs = unreachableMs;
        if (error instanceof LibvirtError) return;
        log.error('Looking for addresses failed', { host: libvirt(uri).uri, error });
      });
    }
  }

  async #look(libvirt: Libvirt, guests: Guests): Promise<void> {
    const now = performance.now();
    if (![...guests.values()].some(({ lookAt }) => lookAt <= now)) return;
    const networks = new Set([...guests.values()].flatMap(({ guest }) => networksOf(guest)));
    for (const one of guests.values()) one.lookAt = nextLook(now, one.guest);
    if (networks.size === 0) return;
    const leases = await libvirt.leases([...networks], { signal: this.#stopped.signal });
    for (const one of guests.values()) if (hasLease(one.guest, leases)) this.#tell(guests, one);
  }

  async #ask(libvirt: Libvirt, guests: Guests): Promise<void> {
    const now = performance.now();
    const { signal } = this.#stopped;
    const due = [...guests.values()].filter(({ guest, askAt }) => guest.sources.length > 0 && askAt <= now);
    const ask = async () => {
      for (let one = due.shift(); one; one = due.shift()) {
        const { domain, sources } = one.guest;
        const found = await libvirt.addresses(domain, sources, { signal });
        one.askAt = nextQuestion(performance.now(), one.guest);
        if (hasNews(one.guest, found)) this.#tell(guests, one);
      }
    };
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
  }

  /** Unless it waits no longer, or for another guest by now. */
  #tell(guests: Guests, one: Waiting): void {
    const name = formatKey(one.key);
    if (guests.get(name) !== one) return;
    guests.delete(name);
    this.#options.onAddress(one.key);
  }
}

/** Earlier by half a turn, so that a turn which begins a little early is not left out. */
function nextLook(now: number, guest: Guest): number {
  return now + addressPollMs(guest) - LOOK_MS / 2;
}

function nextQuestion(now: number, guest: Guest): number {
  return now + Math.max(ASK_MS, addressPollMs(guest));
}

function networksOf({ interfaces }: Guest): string[] {
  return interfaces.flatMap(({ network }) => network ?? []);
}

/** In the network of that interface: another may remember a MAC address that has moved. */
function hasLease(guest: Guest, leases: ReadonlyMap<string, readonly Lease[]>): boolean {
  const { leasesBefore = [], interfaces } = guest;
  const own = leasesOf(interfaces, leases).filter((lease) => !leasesBefore.includes(leaseVersion(lease)));
  const macs = interfaces.map(({ mac }) => mac);
  return hasNews(guest, leasedAddresses(own, macs));
}

/** One that is to have a fixed address may have another for now. */
function hasNews({ known = [] }: Guest, found: readonly DomainAddress[]): boolean {
  return found.some(({ address }) => !known.includes(address));
}
