/** Reads and types on the serial console of a guest. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

/** As fast as a person types; virsh and the guest need about a tenth of it. */
const KEY_INTERVAL_MS = 500;

/** The serial console of a running guest of the lab, as `virsh console` shows it. */
export class GuestConsole {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #changes = new EventEmitter();
  #text = '';
  #ended = false;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      this.#text += data.replaceAll('\r', '');
      this.#changes.emit('change');
    });
    // A key pressed while virsh ends goes nowhere.
    child.stdin.on('error', () => {});
    child.once('exit', () => {
      this.#ended = true;
      this.#changes.emit('change');
    });
  }

  /** Resolves when attached. What the guest printed before is gone; an empty line makes it say where it stands. */
  static async open(uri: string, domain: string): Promise<GuestConsole> {
    // virsh wants a terminal; script gives it one.
    const virsh = `virsh -c '${uri}' console --force '${domain}'`;
    const child = spawn('script', ['--quiet', '--return', '--command', virsh, '/dev/null']);
    const console = new GuestConsole(child);
    await console.waitFor(/Escape character is .*\n/);
    return console;
  }

  /** All that was printed since `open`. */
  get text(): string {
    return this.#text;
  }

  /** Resolves when the text has a match (also one of before this call); rejects when the console ends without one. */
  async waitFor(pattern: RegExp, signal?: AbortSignal): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.#text.match(pattern);
      if (match) return match;
      if (this.#ended) throw new Error(`the console ended without ${pattern}:\n${this.#text}`);
      await once(this.#changes, 'change', signal ? { signal } : {});
    }
  }

  /** Resolves when the console ends by itself, as it does when its guest stops. */
  async ended(signal?: AbortSignal): Promise<void> {
    while (!this.#ended) await once(this.#changes, 'change', signal ? { signal } : {});
  }

  /** Types a line. The small guest runs it with sh, and shows its status for an empty one. */
  send(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Presses Enter until there is an answer: virsh throws away what is typed while it attaches. */
  async ask(pattern: RegExp, signal: AbortSignal): Promise<void> {
    const pressing = setInterval(() => this.send(''), KEY_INTERVAL_MS);
    try {
      await this.waitFor(pattern, signal);
    } finally {
      clearInterval(pressing);
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    // Again and again: virsh sees the escape character only at the beginning of what it reads.
    const pressing = setInterval(() => this.#child.stdin.write('\x1d'), KEY_INTERVAL_MS);
    try {
      await this.ended();
    } finally {
      clearInterval(pressing);
    }
  }
}
