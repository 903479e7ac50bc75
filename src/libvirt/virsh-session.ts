/** Asks a virsh process that stays connected. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { killGroup, OUTPUT_CHARACTERS, type SubprocessResult } from '../system/subprocess.ts';

/** What a session answered: as a process that runs the script would have. */
export type SessionReply = Pick<SubprocessResult, 'stdout' | 'stderr' | 'timedOut' | 'isCanceled'>;

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Asked {
  /** What is printed at the end, to both streams. */
  readonly end: string;
  readonly settle: (how: Partial<SessionReply> | undefined) => void;
}

/**
 * A virsh that stays connected and reads one script after the other, for looks at a host that is looked at often. Measured: 2 ms
 * for one domain, where a process takes 14, and to start one blocks a Node process of 200 MB for another 10.
 *
 * It is never needed: whoever finds it busy, not ready or lost runs a process. It ends with this process, after five minutes
 * without a question, and at the first word that nobody asked for, which is how virsh tells of a lost connection.
 */
export class VirshSession {
  readonly #child: Child;
  readonly #texts = { stdout: '', stderr: '' };
  /** Whether the end of the answer has come. */
  readonly #hasEnded = { stdout: false, stderr: false };
  #asked: Asked | undefined;
  #isReady = false;
  #isClosed = false;
  readonly #idle: NodeJS.Timeout;
  readonly #onClosed: () => void;

  /**
   * Undefined where no process can be started.
   * @param command the program with its arguments, up to the URI
   * @param onClosed called once
   */
  static begin(
    command: readonly string[],
    env: NodeJS.ProcessEnv,
    onClosed: () => void,
  ): VirshSession | undefined {
    const [program = '', ...args] = command;
    // A connection by ssh is a child of virsh: so both are a process group.
    const child = spawn(program, args, {
      env: { ...env, ...NO_TERMINAL },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    if (child.pid !== undefined) return new VirshSession(child, onClosed);
    // Without descriptors left, for example: who needs a process is told.
    child.on('error', () => {});
    return undefined;
  }

  private constructor(child: Child, onClosed: () => void) {
    this.#child = child;
    this.#onClosed = onClosed;
    this.#idle = setTimeout(() => this.close(), IDLE_MS).unref();
    child.on('error', () => this.close()).on('close', () => this.close());
    child.stdin.on('error', () => this.close());
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => this.#hear(name, text));
    }
    child.unref();
    for (const stream of streamsOf(child)) (stream as Partial<Socket>).unref?.();
    void this.ask('', { timeoutMs: READY_WITHIN_MS, signal: undefined }).then(() => {
      this.#isReady = true;
    });
  }

  /** Connected, and nobody else asks. */
  get isFree(): boolean {
    return this.#isReady && this.#asked === undefined && !this.#isClosed;
  }

  /** Whether a script can go in as one line: readline takes the rest for keys, and is slow with long lines. */
  static takes(script: string): boolean {
    return script.length <= LONGEST_LINE && /^[\x20-\x7e]*$/.test(script);
  }

  /** Undefined when it was lost on the way: what was asked may have been done, or not. */
  ask(script: string, { timeoutMs, signal }: AskOptions): Promise<SessionReply | undefined> {
    const { promise, resolve } = Promise.withResolvers<SessionReply | undefined>();
    const name = randomBytes(6).toString('base64url');
    const end = `%${name}%`;
    const settle = (how: Partial<SessionReply> | undefined) =>
      resolve(how && { ...this.#texts, timedOut: false, isCanceled: false, ...how });
    this.#asked = { end, settle };
    const abandon = (how: Partial<SessionReply>) => {
      settle(how);
      this.close();
    };
    // While it is asked this keeps our process alive.
    const timer = setTimeout(() => abandon({ timedOut: true }), timeoutMs);
    const onAbort = () => abandon({ isCanceled: true });
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
    // In two parts, as virsh repeats its input.
    const word = `%${name}''%`;
    this.#child.stdin.write(`${script}echo ${word}; echo --err ${word}\n`);
    this.#idle.refresh();
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#idle);
    killGroup(this.#child.pid);
    for (const stream of streamsOf(this.#child)) stream.destroy();
    this.#asked?.settle(undefined);
    this.#onClosed();
  }

  #hear(name: 'stdout' | 'stderr', text: string): void {
    const asked = this.#asked;
    if (asked === undefined) {
      // What comes after an answer on the other stream is the prompt.
      if (name === 'stderr') this.close();
      return;
    }
    const end = name === 'stdout' ? asked.end : `error: ${asked.end}\n`;
    // Only what is new can hold the end: to look at all of it for each piece would take long for a long answer.
    const from = Math.max(0, this.#texts[name].length - end.length);
    this.#texts[name] += text;
    if (this.#texts[name].length > OUTPUT_CHARACTERS) {
      this.close();
      return;
    }
    if (!this.#hasEnded[name]) this.#hasEnded[name] = this.#texts[name].includes(end, from);
    if (!this.#hasEnded.stdout || !this.#hasEnded.stderr) return;
    const [stdout = ''] = this.#texts.stdout.split(asked.end, 1);
    const [stderr = ''] = this.#texts.stderr.split(`error: ${asked.end}\n`, 1);
    this.#asked = undefined;
    Object.assign(this.#texts, { stdout: '', stderr: '' });
    Object.assign(this.#hasEnded, { stdout: false, stderr: false });
    asked.settle({ stdout, stderr });
  }
}

function streamsOf({ stdin, stdout, stderr }: Child): readonly (Readable | Writable)[] {
  return [stdin, stdout, stderr];
}

const IDLE_MS = 5 * 60_000;
const READY_WITHIN_MS = 10_000;
/** Characters. A long one takes as long as a process: 1.6 µs a character. */
const LONGEST_LINE = 4 * 1024;

const NO_TERMINAL = {
  TERM: 'dumb',
  INPUTRC: '/dev/null',
  // Else virsh would keep what it was told in the history of whoever runs this.
  XDG_CACHE_HOME: '/dev/null',
} as const;
