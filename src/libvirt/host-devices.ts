/** Tells which network devices a host has. */

import { parseNames } from './domain-query.ts';
import type { Answer, RunOptions, Virsh } from './virsh.ts';

/**
 * Tells whether the host has a network device of this name, a bridge included. Undefined: libvirt there cannot tell, since its
 * drivers for interfaces and devices are not installed. Both drivers are needed: on some hosts one of them knows fewer devices.
 */
export type HasDevice = ((name: string) => boolean) | undefined;

/** Reads the network devices of the host, in one process. */
export async function hostDevices(virsh: Virsh, options?: RunOptions): Promise<HasDevice> {
  const [interfaces, devices] = (await virsh.batch(
    [
      ['iface-list', '--all'],
      ['nodedev-list', '--cap=net'],
    ],
    options,
  )) as [Answer, Answer];
  if (interfaces.error || devices.error) return undefined;
  return parseDevices(interfaces.text, devices.text);
}

/** Reads the outputs of `virsh iface-list` (a table) and `virsh nodedev-list` (`net_NAME_MAC`, in which `_` stands for much). */
export function parseDevices(interfaces: string, devices: string): (name: string) => boolean {
  const named = new Set(
    interfaces
      .split('\n')
      // A quiet virsh prints no head.
      .filter((line) => !/^\s*(Name\s+State|-+\s*$)/.test(line))
      .flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []),
  );
  const listed = new Set(
    parseNames(devices).flatMap((name) => /^net_(.+?)(_[0-9a-f]{2}){6}$/.exec(name)?.[1] ?? []),
  );
  return (name) => named.has(name) || listed.has(name.replace(/[^A-Za-z0-9]/g, '_'));
}
