/** Decides where the controller may connect because a manifest names a server: API servers of workload clusters. */

import { TerminalError } from '../../errors.ts';
import type { ConnectTarget } from '../../system/network/guarded-agent.ts';
import { IpRange } from '../../system/network/ip-range.ts';
import { RESERVED_RANGES } from '../../system/network/special-addresses.ts';

/** Addresses that only the operator's explicit word opens. */
export interface ReservedRange {
  readonly range: IpRange;
  /** Absent: every port. */
  readonly port?: number | undefined;
  /** For messages: `a loopback address`. */
  readonly what: string;
}

/** One `workload:` of `--allow`. */
interface Entry {
  /** A name, or `.example.com` for all below it. */
  readonly host?: string;
  readonly range?: IpRange;
  /** Absent: every port. */
  readonly port?: number;
}

const RESERVED: readonly ReservedRange[] = RESERVED_RANGES.map(({ cidr, what }) => ({
  range: IpRange.of(cidr),
  what,
}));

export class ServerList {
  readonly #entries: readonly Entry[];
  readonly #isOpen: boolean;

  /**
   * @param entries HOST, *.HOST, an address or a CIDR, each with or without :PORT; none: every address but reserved ones
   * @param isOpen true: manifests are as good as the operator's own word
   * @throws TerminalError InvalidConfiguration for an entry that cannot be read
   */
  constructor(entries: readonly string[], isOpen: boolean) {
    this.#entries = entries.map(entryOf);
    this.#isOpen = isOpen;
  }

  /**
   * Returns why the controller does not connect there, as the end of a sentence; undefined: it may.
   * @param own addresses of the controller's own machine and cluster
   */
  describeRefusal(target: ConnectTarget, own: readonly ReservedRange[] = []): string | undefined {
    if (this.#isOpen) return undefined;
    const all = [...RESERVED, ...own];
    const reservedAs = reservationOf(all, target);
    const matching = this.#entries.filter((entry) => matches(entry, target));
    // A wide range does not allow the reserved addresses in it.
    const isExplicit = matching.some(({ range }) => range && all.some((one) => range.isWithin(one.range)));
    if (isExplicit) return undefined;
    if (reservedAs) return `it is ${reservedAs.what}`;
    return this.#entries.length > 0 && matching.length === 0 ? 'the operator has listed others' : undefined;
  }
}

function reservationOf(all: readonly ReservedRange[], { address, port }: ConnectTarget) {
  return all.find((one) => (one.port === undefined || one.port === port) && one.range.has(address));
}

function matches(entry: Entry, { host, address, port }: ConnectTarget): boolean {
  if (entry.port !== undefined && entry.port !== port) return false;
  if (entry.range) return entry.range.has(address);
  const name = host.toLowerCase().replace(/\.$/, '');
  return entry.host?.startsWith('.') ? name.endsWith(entry.host) : name === entry.host;
}

const NAME = /^(\*\.)?(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/;

function entryOf(text: string): Entry {
  // Of an address with colons the port stands behind brackets.
  const [, bracketed, bare = text, digits] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const place = (bracketed ?? bare).toLowerCase();
  const port = digits === undefined ? {} : { port: Number(digits) };
  const range = IpRange.parse(place);
  const isPort = digits === undefined || (Number(digits) > 0 && Number(digits) < 65_536);
  if (range && isPort) return { range, ...port };
  // A name whose last part is a number is an address that is misspelt.
  if (bracketed === undefined && isPort && NAME.test(place) && !/(^|\.)\d+$/.test(place))
    return { host: place.replace(/^\*/, ''), ...port };
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: '--allow',
    message: `"workload:${text}" cannot be used`,
    fix: 'use workload:HOST, workload:*.HOST, workload:ADDRESS or workload:CIDR, with or without :PORT; IPv6 with a port as [ADDRESS]:PORT',
  });
}
