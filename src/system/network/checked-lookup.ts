/**
 * Checks addresses where a connection is opened, so that the one that is connected to is the one that was checked: a name may be
 * resolved to another address each time it is asked for.
 */

import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { dns } from '../node-modules.ts';

/** All addresses of a name, in the order in which they are tried. Default: as the system resolves it. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

const ADDRESS_REFUSED = 'ADDRESS_REFUSED';

const resolveBySystem: Resolve = (hostname) => dns().lookup(hostname, { all: true });

/**
 * The `lookup` for a connection that goes to no address but those that pass `mayConnect`. One that has none fails, see
 * `isAddressRefused`. Node asks it for names only: hold a host that is an address against `requireAddress` first.
 */
export function checkedLookup(
  mayConnect: (address: string) => boolean,
  resolve: Resolve = resolveBySystem,
): LookupFunction {
  return (hostname, options, callback) => {
    const answer = async () => {
      const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0);
      const found = (await resolve(hostname)).filter((one) => family === 0 || one.family === family);
      const allowed = found.filter(({ address }) => mayConnect(address));
      const [first] = allowed;
      if (!first) throw found.length > 0 ? addressRefused() : notFound();
      return { first, allowed };
    };
    answer().then(
      ({ first, allowed }) =>
        options.all ? callback(null, [...allowed]) : callback(null, first.address, first.family),
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    );
  };
}

/** @throws what `isAddressRefused` knows, for a host (of a URL) that is an address and does not pass */
export function requireAddress(host: string, mayConnect: (address: string) => boolean): void {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) !== 0 && !mayConnect(address)) throw addressRefused();
}

/** True for an error of a connection that was not opened for the sake of its address. */
export function isAddressRefused(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ((at as NodeJS.ErrnoException).code === ADDRESS_REFUSED) return true;
  }
  return false;
}

function addressRefused(): Error {
  return Object.assign(new Error('the address is not allowed'), { code: ADDRESS_REFUSED });
}

function notFound(): Error {
  return Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' });
}
