/** Runs virsh commands: in batches, each in a process or in a session that stays connected. */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { AllowedHost } from '../system/allowed-host.ts';
import { linesOf } from '../system/line-stream.ts';
import { runSubprocess, type SubprocessResult } from '../system/subprocess.ts';
import { traced } from '../telemetry/spans.ts';
import { redactText, redactUri, unattendedUri } from './host-uri.ts';
import { LibvirtError } from './libvirt-error.ts';
import { type Command, isChange, isQuickRead, quoteCommand } from './virsh-command.ts';
import { virshFailure } from './virsh-failure.ts';
import { type AskOptions, type SessionReply, VirshSession } from './virsh-session.ts';

/** Holds the answer to one command of a batch. */
export interface Answer {
  readonly text: string;
  readonly error: LibvirtError | undefined;
}

export interface RunOptions {
  /** After this time virsh is ended and the call fails as `unreachable` or `timeout`. Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface VirshOptions {
  /** The program. Default `virsh`, from PATH. */
  readonly binary?: string | undefined;
  /** Keeps a virsh connected for repeated reads. See VirshSession. */
  readonly stays?: boolean | undefined;
  /** Called when `answers` changes. */
  readonly onAnswer?: ((answers: boolean) => void) | undefined;
  /** Called before each script that changes something on the host; what it throws is thrown instead. */
  readonly mayChange?: (() => void) | undefined;
}

/** Counts a connection that fails earlier than this, in milliseconds, as an answer: the host refuses it. */
const SILENT_MS = 2_000;

/** Limits the characters of stderr that are kept of a virsh that prints lines until it is stopped. */
const STDERR_CHARACTERS = 64 * 1024;

/** Linux takes at most 128 KiB in one argument; virsh wants a batch in one. */
const LONGEST_SCRIPT = 100 * 1024;

/**
 * Runs virsh for everything in this folder. It is a process and not a binding, since those on npm are native modules (`libvirt` 1.2.1
 * on nan 2 and bluebird, `@unraid/libvirt` 2.2.1 with node-pre-gyp) that tie an installation to a compiler or a prebuilt binary;
 * virsh comes with libvirt and supports all its transports. A call costs about 15 ms, so calls are batched.
 */
export class Virsh {
  /** The URI without its password. */
  readonly uri: string;
  readonly #uri: AllowedHost;
  readonly #binary: string;
  readonly #stays: boolean;
  readonly #mayChange: (() => void) | undefined;
  readonly #onAnswer: ((answers: boolean) => void) | undefined;
  /** In the order of their start; the first that is free is asked, so those that are rarely needed end by themselves. */
  #sessions: readonly VirshSession[] = [];
  #hasAnswered: boolean | undefined;
  /** By `performance.now()`. */
  #nextSessionMs = 0;

  constructor(uri: AllowedHost, { binary = 'virsh', stays = false, onAnswer, mayChange }: VirshOptions = {}) {
    this.#mayChange = mayChange;
    this.#onAnswer = onAnswer;
    this.uri = redactUri(uri);
    this.#uri = uri;
    this.#binary = binary;
    // A daemon of the user's own is started by virsh, and would inherit the environment of a session.
    this.#stays = stays && !/\/session(\?|$)/.test(uri);
  }

  /** Returns whether the last call got an answer, even if a refusal; undefined: there was no call yet. */
  get answers(): boolean | undefined {
    return this.#hasAnswered;
  }

  /** Ends all sessions. The next call starts another. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  /** Runs one command and returns what it printed. Throws LibvirtError. */
  async run(command: Command, options: RunOptions = {}): Promise<string> {
    const [answer] = await this.batch([command], options);
    if (answer?.error) throw answer.error;
    return answer?.text ?? '';
  }

  /**
   * Runs commands over one connection, in order, in one process (or as few as the length of the script allows). A
   * command that fails does not stop the next; its error is in its answer. Throws LibvirtError when the connection fails.
   */
  async batch(commands: readonly Command[], options: RunOptions = {}): Promise<Answer[]> {
    // virsh has no exit status per command, so a random mark is echoed to both streams before each.
    const name = randomBytes(6).toString('base64url');
    const mark = `%${name}%`;
    // In two parts, since a session echoes its input.
    const word = `%${name}''%`;
    const answers: Answer[] = [];
    let script = '';
    let pending: Command[] = [];
    const flush = async () => {
      if (pending.length > 0) answers.push(...(await this.#runScript(script, pending, mark, options)));
      script = '';
      pending = [];
    };
    for (const command of commands) {
      const part = `echo ${word}; echo --err ${word}; ${quoteCommand(command)}; `;
      if (script.length + part.length > LONGEST_SCRIPT) await flush();
      script += part;
      pending.push(command);
    }
    await flush();
    return answers;
  }

  /**
   * Runs a command that prints lines until it is stopped. Ends quietly when `signal` aborts; throws LibvirtError when
   * virsh ends by itself. The first line, before any of the command's, says that the connection stands.
   */
  async *lines(command: Command, signal: AbortSignal): AsyncGenerator<string> {
    if (signal.aborted) return;
    // Not quiet: only then does virsh flush the line of `echo` at once.
    const script = `echo connected; ${quoteCommand(command)}`;
    const [program = '', ...args] = [...TIED_TO_US, this.#binary, '-c', unattendedUri(this.#uri), script];
    const child = spawn(program, args, {
      env: { ...process.env, ...ENVIRONMENT },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < STDERR_CHARACTERS) stderr += text;
    });
    const closed = new Promise<Partial<SubprocessResult>>((resolve) => {
      child.on('error', ({ code }: NodeJS.ErrnoException) => resolve({ code }));
      child.on('close', (exitCode, killedBy) =>
        resolve({ exitCode: exitCode ?? undefined, signal: killedBy ?? undefined }),
      );
    });
    // virsh only reads, so it may be killed at any time.
    const kill = () => {
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    signal.addEventListener('abort', kill);
    try {
      if (child.stdout) yield* linesOf(child.stdout);
      if (signal.aborted) return;
      const ended = await closed;
      const about = { uri: this.#uri, binary: this.#binary, first: quoteCommand(command) };
      throw virshFailure(about, { ...ended, stderr });
    } finally {
      signal.removeEventListener('abort', kill);
      kill();
    }
  }

  async #runScript(
    script: string,
    commands: readonly Command[],
    mark: string,
    options: RunOptions,
  ): Promise<Answer[]> {
    const how = { timeoutMs: options.timeoutMs ?? 10_000, signal: options.signal };
    const verbs = commands.map(([verb]) => verb);
    if (commands.some(isChange)) this.#mayChange?.();
    return this.#observed(() =>
      traced('virsh', { commands: verbs }, async () => {
        const isForSession = VirshSession.takes(script) && commands.every(isQuickRead);
        const session = isForSession ? this.#sessions.find(({ isFree }) => isFree) : undefined;
        if (session) {
          const spoken = await session.ask(script, how);
          // After a lost connection, a process tells whether the host can be reached.
          if (spoken !== undefined && !LOST.test(spoken.stderr))
            return this.#answers(commands, spoken, mark, how);
          session.close();
        }
        const ended = await runSubprocess(this.#binary, [...this.#connected(), script], {
          ...how,
          env: ENVIRONMENT,
        });
        const answers = this.#answers(commands, ended, mark, how);
        if (isForSession || this.#sessions.length === 0) this.#beginSession();
        return answers;
      }),
    );
  }

  /** Records whether the host answers. */
  async #observed<T>(ask: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      const answer = await ask();
      this.#note(true);
      return answer;
    } catch (error) {
      if (error instanceof LibvirtError) {
        const isLost = error.code === 'unreachable' || error.code === 'timeout';
        this.#note(!isLost || performance.now() - begun < SILENT_MS);
      }
      throw error;
    }
  }

  #note(answers: boolean): void {
    if (this.#hasAnswered === answers) return;
    this.#hasAnswered = answers;
    this.#onAnswer?.(answers);
  }

  /**
   * Starts a session for later calls, without waiting for it: the first, or another one where all were busy. Does not retry at once
   * on a host that does not answer.
   */
  #beginSession(): void {
    const others = this.#sessions;
    if (!this.#stays || others.length >= MOST_SESSIONS || !others.every(({ isReady }) => isReady)) return;
    if (others.length === 0 && performance.now() < this.#nextSessionMs) return;
    this.#nextSessionMs = performance.now() + SESSION_PAUSE_MS;
    const command = [...TIED_TO_US, this.#binary, ...this.#connected()];
    const session = VirshSession.begin(command, { ...process.env, ...ENVIRONMENT }, () => {
      this.#sessions = this.#sessions.filter((one) => one !== session);
    });
    if (session) this.#sessions = [...this.#sessions, session];
  }

  #connected(): string[] {
    return ['-q', '-c', unattendedUri(this.#uri)];
  }

  #answers(
    commands: readonly Command[],
    result: SessionReply & Partial<SubprocessResult>,
    mark: string,
    { timeoutMs, signal }: AskOptions,
  ): Answer[] {
    if (result.isCanceled) throw signal?.reason;
    const shown = commands.map(quoteCommand);
    const texts = result.stdout.split(mark).slice(1);
    const errors = result.stderr.split(new RegExp(`^error: ${mark}\\n?`, 'm')).slice(1);
    if (result.timedOut || result.isTooLong || texts.length < commands.length) {
      const reached = shown[errors.length - 1];
      const asking = { uri: this.#uri, binary: this.#binary, reached, first: shown[0] ?? '', timeoutMs };
      throw virshFailure(asking, result);
    }
    const answers = texts.map((text, i) => this.#answer(shown[i] ?? '', text, errors[i] ?? ''));
    // After a lost connection each further command fails, which says nothing about its object.
    const lost = answers.find(({ error }) => error?.isConnectionFault)?.error;
    if (lost) throw lost;
    return answers;
  }

  #answer(command: string, text: string, stderr: string): Answer {
    const failed = /^error: /m.test(stderr);
    const said = redactText(stderr, this.#uri);
    return { text, error: failed ? LibvirtError.fromStderr(this.uri, command, said) : undefined };
  }
}

/** Matches virsh's reports, which may come at any time, of a lost or new connection. */
const LOST =
  /^error: (Disconnected from|Reconnected to|Failed to reconnect|failed to connect|no valid connection)/im;

/** Pause between two starts of a session, in milliseconds, if none lasts. */
const SESSION_PAUSE_MS = 10_000;

/** Limits the sessions of a host. Each is a connection, and takes 2.5 MiB that no other process shares. */
const MOST_SESSIONS = 4;

const ENVIRONMENT = {
  // Texts are parsed; lease times are local times.
  LC_ALL: 'C',
  LANGUAGE: 'C',
  TZ: 'UTC',
  // Debug output would be mixed into stderr, or written where the user did not expect it.
  LIBVIRT_DEBUG: undefined,
  LIBVIRT_LOG_FILTERS: undefined,
  LIBVIRT_LOG_OUTPUTS: undefined,
  VIRSH_DEBUG: undefined,
  VIRSH_LOG_FILE: undefined,
} as const;

const SETPRIV = '/usr/bin/setpriv';
/**
 * Prefixes a command that has to end when this process is killed: `virsh event` would notice only at its next event. Needs setpriv
 * of util-linux; without it, virsh lives on until then.
 */
const TIED_TO_US = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : [];
