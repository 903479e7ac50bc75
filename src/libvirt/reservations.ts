/** Fixed addresses that a libvirt network keeps for guests: `<dhcp><host mac='…' name='…' ip='…'/>`. */

import type { Virsh } from './virsh.ts';
import { XmlElement } from './xml.ts';

export interface Reservation {
  readonly mac: string | undefined;
  readonly name: string | undefined;
  readonly ip: string;
  /** Which of the network's `<ip>` elements it stands in, from 0. */
  readonly parentIndex: number;
}

/** Reads the output of `virsh net-dumpxml`. */
export function parseReservations(xml: string): Reservation[] {
  const addresses = XmlElement.parse(xml, 'network').children('ip');
  return addresses.flatMap((element, parentIndex) =>
    element
      .child('dhcp')
      .children('host')
      .flatMap((host) => {
        const ip = host.attribute('ip');
        return ip === undefined
          ? []
          : [{ mac: host.attribute('mac'), name: host.attribute('name'), ip, parentIndex }];
      }),
  );
}

/**
 * Takes back the reservations of these addresses for the host name `name`, now and for later starts of the network. The
 * Terraform provider 0.8.3 makes them with a domain and leaves them when it goes. Those of others stay: of `foreignMACs`, in
 * lower case, which are MAC addresses of domains that may have the same host name (another namespace or installation has a
 * machine of that name). A network that does not exist has none. Whoever was killed in the middle of this has left one that is
 * only stored: it blocks its address too.
 */
export async function removeReservations(
  virsh: Virsh,
  network: string,
  name: string,
  addresses: readonly string[],
  foreignMACs: ReadonlySet<string>,
): Promise<void> {
  const dump = ['net-dumpxml', `--network=${network}`] as const;
  const [live, stored] = await virsh.batch([dump, [...dump, '--inactive']]);
  if (!live || live.error) {
    if (live?.error && live.error.code !== 'notFound') throw live.error;
    return;
  }
  const found = [live, stored].flatMap((one) => (!one || one.error ? [] : parseReservations(one.text)));
  const ours = found
    .filter((one) => one.name === name && addresses.includes(one.ip))
    .filter(({ mac }) => !foreignMACs.has(mac?.toLowerCase() ?? ''));
  for (const { ip, parentIndex } of new Map(ours.map((one) => [one.ip, one])).values()) {
    const entry = ['--section=ip-dhcp-host', `--xml=<host ip='${ip}'/>`, `--parent-index=${parentIndex}`];
    const update = ['net-update', `--network=${network}`, '--command=delete', ...entry] as const;
    // A network that is off has nothing live to change, and says so; so does one that has it only stored.
    const [, removed] = await virsh.batch([
      [...update, '--live'],
      [...update, '--config'],
    ]);
    if (removed?.error && removed.error.code !== 'notFound') throw removed.error;
  }
}
