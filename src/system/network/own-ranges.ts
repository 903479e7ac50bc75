/** Reads the ranges of addresses that this machine has or has routes to. */

import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

/** Routes of fewer bits are default routes, or the halves of one that VPNs set: everything lies in them. */
const SHORTEST_PREFIX = 8;

/** Lists IPv4 ranges of this machine's interfaces and routes, in CIDR notation, without default routes. */
export async function ownRanges(): Promise<string[]> {
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ cidr, family, internal }) => (cidr && family === 'IPv4' && !internal ? [cidr] : [])),
  );
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  return [...new Set([...interfaces, ...parseRoutes(routes)])];
}

/** Reads the text of /proc/net/route: destination and mask are hexadecimal, in the byte order of the processor (little-endian). */
export function parseRoutes(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, destination = '', , , , , , mask = ''] = line.split('\t');
      if (!/^[0-9A-F]{8}$/i.test(destination) || !/^[0-9A-F]{8}$/i.test(mask)) return [];
      const prefix = bytesOf(mask).reduce(
        (bits, byte) => bits + byte.toString(2).replaceAll('0', '').length,
        0,
      );
      return prefix < SHORTEST_PREFIX ? [] : [`${bytesOf(destination).join('.')}/${prefix}`];
    });
}

function bytesOf(hexadecimal: string): number[] {
  return [...Buffer.from(hexadecimal, 'hex')].reverse();
}
