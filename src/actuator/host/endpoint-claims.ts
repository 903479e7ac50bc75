/** Addresses of control planes that libvirt networks reserve: see src/intent/addresses/endpoint-claim.ts. */

import { TerminalError, TransientError } from '../../errors.ts';
import {
  type ClaimNetwork,
  claimantOf,
  claimName,
  claimsOf,
  describeUnclaimable,
  freeAddresses,
  missingClaim,
  reservationsOf,
} from '../../intent/addresses/endpoint-claim.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import { PORT_GROUP } from '../../libvirt/reservations.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { classified } from '../context/classify-error.ts';

/** A network of a host. */
export interface ClaimPlace {
  readonly uri: AllowedHost;
  readonly network: string;
}

export interface ClaimRequest {
  /** Of the LibvirtCluster. */
  readonly uid: string;
  /** The networks in which the address is to be its own; all have it, or none. */
  readonly places: readonly ClaimPlace[];
  /** Addresses in the order in which they are tried. */
  readonly candidates: readonly string[];
  /** The LibvirtCluster has an address: `candidates` is that one. */
  readonly isGiven: boolean;
  /** Addresses that are no reservation of a network and yet in use. */
  readonly inUse: ReadonlySet<string>;
  /** Field that the addresses come from, for example `spec.controlPlaneEndpointRange`. */
  readonly path: string;
  /** Names a LibvirtCluster by its uid; undefined: it is not known here. */
  readonly nameOf: (uid: string) => string | undefined;
}

type SeenPlace = ClaimPlace & { readonly seen: ClaimNetwork };

export class EndpointClaims {
  readonly #libvirt: (uri: AllowedHost) => Libvirt;

  constructor(libvirt: (uri: AllowedHost) => Libvirt) {
    this.#libvirt = libvirt;
  }

  /**
   * Reserves one of the candidates and returns it; the one that was reserved before, if there is one. Throws TransientError AddressInUse
   * if none is free, NetworkNotFound for a network that is not there; TerminalError InvalidConfiguration for addresses that a network
   * cannot give.
   */
  async claim(request: ClaimRequest): Promise<string> {
    return classified(() => this.#claim(request));
  }

  /** Takes back what the network reserves for a LibvirtCluster. Idempotent. */
  async release({ uri, network }: ClaimPlace, uid: string): Promise<void> {
    await classified(async () => {
      const libvirt = this.#libvirt(uri);
      const found = (await libvirt.networkAddresses([network])).get(network);
      if (found) await libvirt.removeReservations(network, claimsOf(uid, found));
    });
  }

  /** Gives to a LibvirtCluster what the network reserves for the one with the uid `before`. Idempotent. */
  async takeOver({ uri, network }: ClaimPlace, before: string, uid: string): Promise<void> {
    await classified(async () => {
      const libvirt = this.#libvirt(uri);
      const found = (await libvirt.networkAddresses([network])).get(network);
      const definitions = [
        ['live', found?.live],
        ['config', found?.stored],
      ] as const;
      for (const [where, entries = []] of definitions) {
        for (const { ip, parentIndex } of entries.filter((entry) => claimantOf(entry) === before))
          await libvirt.replaceReservation(network, { name: claimName(uid), ip, parentIndex }, [where]);
      }
    });
  }

  async #claim(request: ClaimRequest): Promise<string> {
    const { uid, candidates, isGiven, path } = request;
    // In one order everywhere, so that of two that want the same address one has it in all places.
    const places = [...request.places].sort((a, b) => (a.uri < b.uri ? -1 : 1));
    const seen = await Promise.all(places.map((place) => this.#see(place, path)));
    requireUsable(seen, request);
    const networks = seen.map((place) => place.seen);
    const tried = isGiven ? candidates : freeAddresses(candidates, { ...request, networks });
    for (const ip of tried) {
      if (isGiven) await this.#dropOthers(seen, uid, ip);
      if (await this.#claimIn(seen, ip, request)) return ip;
    }
    throw isGiven ? await this.#taken(places, request) : usedUp(places, request);
  }

  async #see({ uri, network }: ClaimPlace, path: string): Promise<SeenPlace> {
    const libvirt = this.#libvirt(uri);
    const [addresses, leases] = await Promise.all([
      libvirt.networkAddresses([network]),
      libvirt.leases([network]),
    ]);
    const found = addresses.get(network);
    if (!found)
      throw new TransientError({
        code: 'NetworkNotFound',
        path,
        message: `network "${network}" is not there, and so reserves no address`,
        fix: 'name a network that exists (virsh net-list --all), or let the LibvirtCluster make it (mode)',
        missing: { kind: 'onHost', anyOf: [{ what: 'network', uri, name: network }] },
      });
    const leased = new Set((leases.get(network) ?? []).map(({ address }) => address));
    return { uri, network, seen: { name: network, addresses: found, leased } };
  }

  /** An address that was reserved before another one was given. */
  async #dropOthers(places: readonly SeenPlace[], uid: string, ip: string): Promise<void> {
    for (const { uri, network, seen } of places) {
      const others = claimsOf(uid, seen.addresses).filter((entry) => entry.ip !== ip);
      if (others.length > 0) await this.#libvirt(uri).removeReservations(network, others);
    }
  }

  /** Returns false, and has reserved nothing, if the address is another's in one of the places. */
  async #claimIn(
    places: readonly SeenPlace[],
    ip: string,
    { uid, isGiven, path }: ClaimRequest,
  ): Promise<boolean> {
    for (const place of places) {
      if (await this.#claimAt(place, uid, ip, path, isGiven)) continue;
      // An address that was given is kept wherever it still is.
      if (!isGiven) await this.#letGo(places, uid, ip);
      return false;
    }
    return true;
  }

  async #claimAt(
    place: SeenPlace,
    uid: string,
    ip: string,
    path: string,
    isGiven: boolean,
  ): Promise<boolean> {
    const { uri, network, seen } = place;
    const missing = missingClaim(uid, ip, seen.addresses);
    if (!missing) return true;
    try {
      await this.#libvirt(uri).addReservation(network, missing.entry, missing.where);
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      const { addresses } = (await this.#see(place, path)).seen;
      if (reservationsOf(ip, addresses).some((entry) => claimantOf(entry) !== uid)) return false;
      // Otherwise another process claims for this very cluster, or libvirt has another reason.
      if (missingClaim(uid, ip, addresses)) throw error;
    }
    // Whoever was given it in between has a lease now; from here on the DHCP server gives it to nobody.
    return isGiven || !(await this.#see(place, path)).seen.leased.has(ip);
  }

  async #letGo(places: readonly ClaimPlace[], uid: string, ip: string): Promise<void> {
    for (const { uri, network } of places) {
      const libvirt = this.#libvirt(uri);
      const found = (await libvirt.networkAddresses([network])).get(network);
      const own = found ? claimsOf(uid, found).filter((entry) => entry.ip === ip) : [];
      await libvirt.removeReservations(network, own);
    }
  }

  /** Names who has the address that was given. */
  async #taken(places: readonly ClaimPlace[], request: ClaimRequest): Promise<TransientError> {
    const { candidates, uid, path, nameOf } = request;
    const [ip = ''] = candidates;
    for (const place of places) {
      const { network, seen } = await this.#see(place, path);
      const [entry] = reservationsOf(ip, seen.addresses).filter((one) => claimantOf(one) !== uid);
      if (!entry) continue;
      const claimant = claimantOf(entry);
      const known = claimant === undefined ? undefined : nameOf(claimant);
      const whose =
        claimant === undefined
          ? `reserved for host "${entry.name ?? '?'}" (MAC ${entry.mac ?? 'unknown'})`
          : `the control plane endpoint of ${known ?? `a LibvirtCluster that is not known here, with uid ${claimant}`}`;
      const what =
        entry.parentIndex === PORT_GROUP
          ? `portgroup "<portgroup name='${claimName(ip)}'/>"`
          : `ip-dhcp-host "<host ip='${ip}'/>"`;
      const remove = `virsh net-update ${network} delete ${what} --live --config`;
      return new TransientError({
        code: 'AddressInUse',
        path,
        message: `${ip} in network "${network}" is ${whose}`,
        fix: `make a LibvirtCluster without that endpoint${known === undefined ? `, or, if what has it is gone for good: ${remove}` : ''}`,
      });
    }
    return new TransientError({
      code: 'AddressInUse',
      path,
      message: `${ip} was in use a moment ago`,
      fix: 'wait',
      retryAfterMs: 1_000,
    });
  }
}

/** Throws for a range of which no address, or a given address that, can ever be reserved. */
function requireUsable(places: readonly SeenPlace[], { candidates, path }: ClaimRequest): void {
  for (const { network, seen } of places) {
    const problems = candidates.map((ip) => describeUnclaimable(ip, network, seen.addresses));
    if (problems.some((problem) => problem === undefined)) continue;
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path,
      message: `${candidates[0]} ${problems[0]}`,
      fix: 'use addresses of the network',
    });
  }
}

function usedUp(places: readonly ClaimPlace[], { candidates, path }: ClaimRequest): TransientError {
  const networks = [...new Set(places.map(({ network }) => `"${network}"`))].join(', ');
  return new TransientError({
    code: 'AddressInUse',
    path,
    message: `the range is used up: no address from ${candidates[0]} to ${candidates.at(-1)} is free in network ${networks}`,
    fix: 'delete a cluster or machine that has one of them, or use another range',
  });
}
