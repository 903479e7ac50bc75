import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { traced } from '../tracing.ts';
import { type Command, quoteCommand, virshCommand } from './command.ts';
import { LibvirtError } from './libvirt-error.ts';
import { type Ended, runToEnd } from './run-to-end.ts';
import { redactText, redactUri, unattendedUri } from './uri.ts';

/** What one command of a batch answered. */
export interface Answer {
  readonly text: string;
  readonly error: LibvirtError | undefined;
}

export interface RunOptions {
  /** After this time virsh is ended and the call fails as `unreachable` or `timeout`. Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Linux takes at most 128 KiB in one argument; virsh wants a batch in one. */
const LONGEST_SCRIPT = 100 * 1024;

/**
 * The process behind everything here. Why a process and not a binding: those on npm are native modules (`libvirt` 1.2.1
 * on nan 2 and bluebird, `@unraid/libvirt` 2.2.1 with node-pre-gyp) that tie an installation to a compiler or a prebuilt
 * binary; virsh comes with libvirt, speaks all its transports, and a call costs about 15 ms. So calls are batched.
 */
export class Virsh {
  /** The URI without its password. */
  readonly uri: string;
  readonly #uri: string;
  readonly #binary: string;

  constructor(uri: string, binary = 'virsh') {
    this.uri = redactUri(uri);
    this.#uri = uri;
    this.#binary = binary;
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
    // virsh has no exit status per command, so a mark that nobody can guess is echoed to both streams before each.
    const mark = `%${randomBytes(6).toString('hex')}%`;
    const answers: Answer[] = [];
    let script = '';
    let pending: Command[] = [];
    const flush = async () => {
      if (pending.length > 0) answers.push(...(await this.#runScript(script, pending, mark, options)));
      script = '';
      pending = [];
    };
    for (const command of commands) {
      const part = `echo ${mark}; echo --err ${mark}; ${quoteCommand(command)}; `;
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
    // Not quiet: only then does virsh write the line of `echo` out at once.
    const script = `echo connected; ${quoteCommand(command)}`;
    const [program = '', ...args] = [...TIED_TO_US, this.#binary, '-c', unattendedUri(this.#uri), script];
    const { execa } = await import('execa');
    const child = execa(program, args, {
      stdin: 'ignore',
      env: ENVIRONMENT,
      // virsh only reads, and what it asks for goes on in the daemon: it may be killed at any time.
      killSignal: 'SIGKILL',
      cancelSignal: signal,
      buffer: { stdout: false },
      maxBuffer: 64 * 1024,
      reject: false,
    });
    try {
      yield* child.iterable();
      if (signal.aborted) return;
      throw this.#failure(undefined, quoteCommand(command), await child);
    } finally {
      child.kill('SIGKILL');
    }
  }

  async #runScript(
    script: string,
    commands: readonly Command[],
    mark: string,
    options: RunOptions,
  ): Promise<Answer[]> {
    const timeoutMs = options.timeoutMs ?? 10_000;
    const shown = commands.map(quoteCommand);
    const result = await traced('virsh', { commands: commands.map(([verb = '']) => verb) }, () =>
      runToEnd(this.#binary, ['-q', '-c', unattendedUri(this.#uri), script], {
        env: ENVIRONMENT,
        timeoutMs,
        signal: options.signal,
      }),
    );
    if (result.isCanceled) throw options.signal?.reason;
    const texts = result.stdout.split(mark).slice(1);
    const errors = result.stderr.split(new RegExp(`^error: ${mark}\\n?`, 'm')).slice(1);
    if (result.timedOut || texts.length < commands.length) {
      throw this.#failure(shown[errors.length - 1], shown[0] ?? '', result, timeoutMs);
    }
    const answers = texts.map((text, i) => this.#answer(shown[i] ?? '', text, errors[i] ?? ''));
    // A connection that is lost half-way makes each further command fail: that is no answer about any object.
    const lost = answers.find(({ error }) => error?.isConnectionFault)?.error;
    if (lost) throw lost;
    return answers;
  }

  #answer(command: string, text: string, stderr: string): Answer {
    const failed = /^error: /m.test(stderr);
    const said = redactText(stderr, this.#uri);
    return { text, error: failed ? LibvirtError.fromStderr(this.uri, command, said) : undefined };
  }

  /** `reached`: the command that was under way, undefined when there was no connection yet. */
  #failure(reached: string | undefined, first: string, result: Partial<Ended>, timeoutMs = 0): LibvirtError {
    const { uri } = this;
    const command = reached ?? first;
    const stderr = redactText(result.stderr ?? '', this.#uri);
    if (result.code === 'ENOENT' || result.exitCode === NOT_FOUND) {
      // Without the cause: it holds the arguments, and so the URI with its password.
      return new LibvirtError({
        code: 'virshMissing',
        uri,
        command,
        message: `${this.#binary} is not installed, and libvirt is read through it`,
        fix: 'Install it: apt-get install libvirt-clients, or dnf install libvirt-client.',
      });
    }
    if (!result.timedOut && /^E[A-Z]+$/.test(result.code ?? '')) {
      const message = `${this.#binary} cannot be started: ${result.code}`;
      const cause = Object.assign(new Error(message), { code: result.code });
      return new LibvirtError({ code: 'other', uri, command, message, cause });
    }
    if (result.signal === 'SIGPIPE') {
      const message = `libvirt at ${uri} hung up in the middle of a request`;
      const fix = `Check that libvirtd runs there, and is no other program: ${virshCommand(uri, 'version')}`;
      return new LibvirtError({ code: 'unreachable', uri, command, message, fix });
    }
    if (!result.timedOut) return LibvirtError.fromStderr(uri, command, stderr);
    const within = `within ${timeoutMs / 1000} s`;
    const check = virshCommand(uri, 'version');
    const explanation =
      reached === undefined
        ? {
            code: 'unreachable' as const,
            message: `libvirt at ${uri} took no connection ${within}`,
            fix: `Check that the host is up and that no firewall drops the connection: ${check}`,
          }
        : {
            code: 'timeout' as const,
            message: `libvirt at ${uri} gave no answer to ${command} ${within}`,
            fix: `Check that libvirt and the host's storage are not stuck: ${check}`,
          };
    return new LibvirtError({ uri, command, stderr, ...explanation });
  }
}

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

/** What setpriv ends with for a program that is not there, as a shell does. */
const NOT_FOUND = 127;

const SETPRIV = '/usr/bin/setpriv';
/**
 * Ends what follows with this process, were that killed: `virsh event` would learn of it only when it next has something to
 * say. Part of util-linux; where that is not, it lives on until then.
 */
const TIED_TO_US = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : [];
