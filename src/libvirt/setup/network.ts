/** Creates a NAT network with DHCP on a host, in a range that nothing else there uses. */

import { randomUUID } from 'node:crypto';
import { overlap } from '../../system/network/cidr.ts';
import { LibvirtError } from '../libvirt-error.ts';
import type { Virsh } from '../virsh.ts';
import { autostart, define, start } from './define.ts';

export interface NewNetwork {
  /** Consists of letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** Ranges in CIDR notation that the network must not overlap. */
  readonly taken: readonly string[];
}

/** The range that libvirt's own network `default` has, and the next ones after it. */
const RANGES: readonly string[] = [
  ...Array.from({ length: 254 - 121 }, (_, i) => `192.168.${122 + i}.0/24`),
  ...Array.from({ length: 254 - 121 }, (_, i) => `10.122.${122 + i}.0/24`),
];

/** Returns the first range that overlaps none of `taken`; undefined if there is none. */
export function freeRange(taken: readonly string[]): string | undefined {
  return RANGES.find((range) => !taken.some((other) => overlap(range, other)));
}

/** Formats the definition of a NAT network; libvirt chooses the name of its bridge. `range`: a /24 in CIDR notation. */
export function networkXml(name: string, uuid: string, range: string): string {
  const base = range.replace(/\.0\/24$/, '');
  return `<network>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <forward mode='nat'/>
  <bridge stp='on' delay='0'/>
  <ip address='${base}.1' netmask='255.255.255.0'>
    <dhcp><range start='${base}.2' end='${base}.254'/></dhcp>
  </ip>
</network>
`;
}

/** How often libvirt may find a range in use that was thought to be free: it sees the routes of a remote host, and caplv does not. */
const ATTEMPTS = 8;
const IN_USE = /already in use by interface/i;

/**
 * Creates and starts the network, now and with the host. Returns its range. What it defined and could not start is undefined again. Throws
 * LibvirtError.
 */
export async function createNetwork(virsh: Virsh, { name, taken }: NewNetwork): Promise<string> {
  const excluded = [...taken];
  for (let attempt = 1; ; attempt += 1) {
    const range = freeRange(excluded);
    if (range === undefined) throw noRange(virsh.uri, name);
    const uuid = randomUUID();
    await define(virsh, 'network', networkXml(name, uuid, range));
    try {
      await start(virsh, 'network', uuid);
    } catch (error) {
      // It is the one of this call, by its UUID.
      await virsh.run(['net-undefine', `--network=${uuid}`]).catch(() => {});
      const isInUse = error instanceof LibvirtError && IN_USE.test(error.stderr);
      if (!isInUse || attempt === ATTEMPTS) throw error;
      excluded.push(range);
      continue;
    }
    await autostart(virsh, 'network', uuid);
    return range;
  }
}

function noRange(uri: string, name: string): LibvirtError {
  return new LibvirtError({
    code: 'other',
    uri,
    command: 'net-define',
    message: `every range for the network "${name}" overlaps a network or route of the host`,
    fix: 'Define a network with a free range yourself (virsh net-define), or let a Cluster create one.',
  });
}
