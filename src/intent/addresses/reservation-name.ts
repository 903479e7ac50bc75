/** Tells which host names of DHCP reservations dnsmasq, which serves libvirt's networks, takes for something else. Pure. */

import { isIP } from 'node:net';

/** A number, with or without a unit: dnsmasq 2.90 reads it as the time of the lease, and has no name for the guest then. */
const LEASE_TIME = /^\d+[smhdw]?$/i;

/**
 * Says what dnsmasq reads in place of a name in the line `MAC,address,name` that libvirt writes for a reservation; undefined: it reads
 * the name. `ignore` would leave the guest without an address. Source: the option --dhcp-host in dnsmasq(8).
 */
export function describeMisread(name: string): string | undefined {
  if (name === 'ignore') return 'the order to give the guest no address';
  if (name === 'infinite' || LEASE_TIME.test(name)) return 'the time of the lease';
  if (isIP(name) !== 0) return 'an address';
  return undefined;
}
