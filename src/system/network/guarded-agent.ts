/** HTTPS connections to servers that somebody else named: each is held against a list when it is opened. */

import type { LookupAddress } from 'node:dns';
import type { AgentOptions, RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { dns, https } from '../node-modules.ts';
import { checkedLookup } from './checked-lookup.ts';

/** Where a connection is about to go. */
export interface ConnectTarget {
  /** As the URL names it. */
  readonly host: string;
  /** What the name resolved to: the very address that is connected to. */
  readonly address: string;
  readonly port: number;
}

/** Resolves to why the connection is refused; undefined: it may be opened. Rejects if that cannot be said now. */
export type ConnectGuard = (target: ConnectTarget) => Promise<string | undefined>;

/** A connection that the guard refused. Nothing was sent. */
export class ConnectionRefusedByGuard extends Error {
  readonly target: ConnectTarget;
  /** The guard's word, as the end of a sentence. */
  readonly reason: string;

  constructor(target: ConnectTarget, reason: string) {
    super(`${target.host} is not allowed: ${reason}`);
    this.name = 'ConnectionRefusedByGuard';
    this.target = target;
    this.reason = reason;
  }
}

type Connected = (error: Error | null, stream?: Duplex) => void;

/** An agent that resolves a name once, and connects only to those of its addresses that the guard lets through. */
export class GuardedAgent extends https().Agent {
  readonly #guard: ConnectGuard;

  constructor(options: AgentOptions, guard: ConnectGuard) {
    super(options);
    this.#guard = guard;
  }

  override createConnection(options: RequestOptions, connected: Connected): undefined {
    this.#connect(options).then(
      (stream) => connected(null, stream),
      (error: Error) => connected(error),
    );
  }

  async #connect(options: RequestOptions): Promise<Duplex> {
    const addresses = await this.#allowedAddresses(options.host ?? 'localhost', Number(options.port ?? 443));
    // Answered from what was looked up before: the name cannot lead to another address now.
    const open = () => true;
    const stream = super.createConnection({ ...options, lookup: checkedLookup(open, async () => addresses) });
    if (!stream) throw new Error('no connection was opened');
    return stream;
  }

  async #allowedAddresses(host: string, port: number): Promise<LookupAddress[]> {
    const family = isIP(host);
    const all = family === 0 ? await dns().lookup(host, { all: true }) : [{ address: host, family }];
    const targets = all.map(({ address }) => ({ host, address, port }));
    const refusals = await Promise.all(targets.map((target) => this.#guard(target)));
    const [first = ''] = refusals;
    const allowed = all.filter((_, i) => refusals[i] === undefined);
    const [target] = targets;
    if (allowed.length === 0 && target) throw new ConnectionRefusedByGuard(target, first);
    return allowed;
  }
}
