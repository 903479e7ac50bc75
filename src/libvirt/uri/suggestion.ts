/** Finds the libvirt URI that a mistyped one probably meant: `qemu:/system`, `qemu///system`, `qemu+shh://host/system`. */

import { nearest } from '../../system/nearest.ts';

const TRANSPORTS = ['ssh', 'tcp', 'unix'] as const;
const PATHS = ['system', 'session'] as const;
/** Other words for a scheme, which are too far from the right one to be found by their letters. */
const SCHEMES: Readonly<Record<string, string>> = {
  kvm: 'qemu',
  libvirt: 'qemu',
  ssh: 'qemu+ssh',
  tcp: 'qemu+tcp',
  unix: 'qemu',
};
/** Limits the work on a text that was never meant as a URI. */
const LONGEST = 1_024;

/**
 * Returns the URI that was probably meant, undefined if none is near. `isValid`: true for a URI that would be accepted; no other is
 * suggested.
 */
export function suggestURI(text: string, isValid: (uri: string) => boolean): string | undefined {
  if (text.length > LONGEST) return undefined;
  const [, scheme, rest = '', query = ''] =
    /^([a-z+]+)(?=[:/;])[:/;]*([^?]*)(\?.*)?$/i.exec(text.trim()) ?? [];
  if (scheme === undefined) return undefined;
  const typed = scheme.toLowerCase();
  const [driver = '', transport] = (SCHEMES[typed] ?? typed).split('+');
  const suggested = withParts({ driver: nearest(driver, ['qemu']), transport, rest, query });
  return suggested !== undefined && suggested !== text && isValid(suggested) ? suggested : undefined;
}

interface Parts {
  readonly driver: string | undefined;
  /** As it was typed; undefined: there is none. */
  readonly transport: string | undefined;
  /** All between the slashes after the scheme and the parameters. */
  readonly rest: string;
  readonly query: string;
}

function withParts({ driver, transport: typed, rest, query }: Parts): string | undefined {
  const transport = typed === undefined ? undefined : transportNear(typed);
  if (driver === undefined || (typed !== undefined && transport === undefined)) return undefined;
  const [first = '', ...others] = rest.split('/').filter(Boolean);
  if (transport === undefined || transport === 'unix') {
    const path = nearest(first || 'system', PATHS);
    return path === undefined || others.length > 0 ? undefined : `${driver}:///${path}${query}`;
  }
  const path = nearest(others[0] ?? 'system', PATHS);
  // `host:/system`, as scp would write it.
  const host = first.replace(/:$/, '');
  return path === undefined || others.length > 1
    ? undefined
    : `${driver}+${transport}://${host}/${path}${query}`;
}

/** Finds letters in another order, too, which count as two edits: `tpc`. */
function transportNear(typed: string): string | undefined {
  const letters = (word: string) => [...word].sort().join('');
  return TRANSPORTS.find((one) => letters(one) === letters(typed)) ?? nearest(typed, TRANSPORTS);
}
