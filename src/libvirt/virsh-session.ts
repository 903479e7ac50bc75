/** Asks a virsh process that stays connected. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { killGroup, OUTPUT_CHARACTERS, type SubprocessResult } from '../system/subprocess.ts';

/** Holds the answer of a session, as that of a process that runs the script. */
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
 * Keeps one virsh connected, which reads one script after the other. Measured for one domain: 2 ms; a process takes 14 ms, and
 * starting it blocks a Node process of 200 MB for another 10 ms.
 *
 * Callers run a process instead when the session is busy, not ready or lost. It ends with this process, after five minutes without a
 * script, and at the first output that no script asked for, which is how virsh reports a lost connection.
 */
export class VirshSession {
  readonly #child: Child;
  readonly #texts = { stdout: '', stderr: '' };
  /** Whether the end of the answer has arrived. */
  readonly #hasEnded = { stdout: false, stderr: false };
  #asked: Asked | undefined;
  #isReady = false;
  #isClosed = false;
  readonly #idle: NodeJS.Timeout;
  readonly #onClosed: () => void;

  /**
   * Starts a session; undefined where no process can be started.
   * @param command the program with its arguments, up to the URI
   * @param onClosed called once
   */
  static begin(
    command: readonly string[],
    env: NodeJS.ProcessEnv,
    onClosed: () => void,
  ): VirshSession | undefined {
    const [program = '', ...args] = command;
    // An ssh connection is a child of virsh, so both form a process group.
    const child = spawn(program, args, {
      env: { ...env, ...NO_TERMINAL },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    if (child.pid !== undefined) return new VirshSession(child, onClosed);
    // For example without descriptors left: the next process reports it.
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

  /** Returns true once it is connected. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Returns true if it is connected and answers no other script. */
  get isFree(): boolean {
    return this.#isReady && this.#asked === undefined && !this.#isClosed;
  }

  /** Returns whether a script fits into one line: readline reads control characters as keys, and is slow with long lines. */
  static takes(script: string): boolean {
    return script.length <= LONGEST_LINE && /^[\x20-\x7e]*$/.test(script);
  }

  /** Runs a script. Undefined when the connection was lost: the commands may have run or not. */
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
    // Keeps this process alive until the answer.
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
      // Output after an answer on the other stream is the prompt.
      if (name === 'stderr') this.close();
      return;
    }
    const end = name === 'stdout' ? asked.end : `error: ${asked.end}\n`;
    // Only new output can contain the end: searching everything for each piece would be slow for a long answer.
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
/** Limits the characters of a line: at 1.6 µs each, a long line takes as long as a process. */
const LONGEST_LINE = 4 * 1024;

const NO_TERMINAL = {
  TERM: 'dumb',
  INPUTRC: '/dev/null',
  // Keeps the commands out of the user's virsh history.
  XDG_CACHE_HOME: '/dev/null',
} as const;
