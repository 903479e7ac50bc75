/** Detects that the provider of a run hangs. */

import type { Message } from '../format/messages.ts';
import type { ResourceChange } from '../format/resource-change.ts';

/**
 * Provider 0.8.3 reads a seed ISO back whenever it makes or refreshes a `libvirt_cloudinit_disk`, and may hang for ever at
 * that: libvirtd sends a packet after the end of the stream, for which go-libvirt waits under the lock that it needs to go
 * on (rpc.go, `callback`). Measured: once in 150 plans one after the other, once in 20 with four at a time. All calls on
 * the same connection hang too.
 */
const READ_BACK: ReadonlySet<string> = new Set(['libvirt_cloudinit_disk']);

/**
 * Provider 0.8.3 may also hang for ever when libvirt refuses the rest of an upload, since the pool is full (measured: once in
 * five). An upload takes as long as it takes, but never without reading or writing anything.
 */
const UPLOADED: ReadonlySet<string> = new Set(['libvirt_volume']);

/** The first of these tells that the provider is connected to libvirt. A saved plan's changes are printed before. */
export const CONNECTED: ReadonlySet<Message['type']> = new Set([
  'refresh_start',
  'apply_start',
  'change_summary',
]);

export interface WatchdogOptions {
  /** How long the provider may take to read one resource, and to connect. */
  readonly limitMs: number;
  /** Whether the run also makes what it plans. */
  readonly applies: boolean;
  /** How long Terraform may wait for its state lock before it lets the provider connect. */
  readonly lockTimeoutMs: number;
  /** How long the provider may make a volume without any input or output. */
  readonly stallMs: number;
  /** How long it may take to remove one resource. */
  readonly deleteMs: number;
  /** What changes with each read and write of the provider; undefined: nobody knows. */
  readonly activity: () => string | undefined;
  /** Called once, when the provider no longer answers; `what`: what it was to do. */
  readonly onHung: (what: string) => void;
}

/**
 * Sees by a run's messages that its provider hangs. Only where an answer comes at once or never, or where it would have to
 * be busy: how long it takes to upload an image or to start a domain nobody can say.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#expect(CONNECTION, options.limitMs + options.lockTimeoutMs);
  }

  see(message: Message): void {
    if (CONNECTED.has(message.type)) this.#arrived(CONNECTION);
    // To make what it has planned, terraform connects anew: a forked provider is another process then.
    if (message.type === 'change_summary' && message.operation === 'plan' && this.#options.applies) {
      this.#expect(CONNECTION, this.#options.limitMs);
    }
    if (message.type === 'refresh_start') this.#expect(message.address, this.#options.limitMs);
    if (message.type === 'refresh_complete') this.#arrived(message.address);
    if (message.type === 'apply_start') this.#begun(message.change);
    if (message.type === 'apply_complete' || message.type === 'apply_errored')
      this.#arrived(message.change.address);
  }

  #begun({ address, type, action }: ResourceChange): void {
    const { limitMs, deleteMs } = this.#options;
    if (action === 'delete') {
      // Others may take the time that they want: a resource of a person's own, with a provisioner of his own.
      if (type.startsWith('libvirt_')) this.#expect(address, deleteMs);
    } else if (READ_BACK.has(type)) this.#expect(address, limitMs);
    else if (UPLOADED.has(type)) this.#expectActivity(address);
  }

  stop(): void {
    for (const what of this.#timers.keys()) this.#arrived(what);
  }

  #expect(what: string, withinMs: number): void {
    this.#arrived(what);
    this.#timers.set(
      what,
      setTimeout(() => this.#hung(what), withinMs),
    );
  }

  /** Looks several times in `stallMs`: else a stall that begins after the first look would be found after twice that time. */
  #expectActivity(what: string): void {
    const { activity, stallMs } = this.#options;
    let last = activity();
    let quietLooks = 0;
    const look = () => {
      const now = activity();
      quietLooks =
        now !== undefined && last !== undefined && isQuiet(last, now, stallMs / LOOKS) ? quietLooks + 1 : 0;
      last = now;
      if (quietLooks === LOOKS) this.#hung(what);
      else this.#timers.set(what, setTimeout(look, stallMs / LOOKS));
    };
    this.#arrived(what);
    this.#timers.set(what, setTimeout(look, stallMs / LOOKS));
  }

  #hung(what: string): void {
    this.stop();
    this.#options.onHung(what === CONNECTION ? 'its connection to libvirt' : what);
  }

  #arrived(what: string): void {
    clearTimeout(this.#timers.get(what));
    this.#timers.delete(what);
  }
}

/** Bytes a second that a provider reads and writes at least while it fills a volume. Each byte of an image counts twice. */
export const LEAST_BYTES_PER_SECOND = 32 * 1024;

function isQuiet(last: string, now: string, ms: number): boolean {
  if (now === last) return true;
  const moved = bytesOf(now) - bytesOf(last);
  return moved >= 0 && moved < (LEAST_BYTES_PER_SECOND * ms) / 1_000;
}

/** What proc(5) tells of reads and writes; more than can be moved where it tells something else. */
function bytesOf(activity: string): number {
  const counts = [...activity.matchAll(/^[rw]char: (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.length === 0 ? Number.NaN : counts.reduce((sum, count) => sum + count, 0);
}

/** In the time without input or output after which the provider counts as hung. */
const LOOKS = 6;

/** No resource has this address. */
const CONNECTION = '';
