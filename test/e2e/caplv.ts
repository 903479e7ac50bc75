/** Runs the compiled `caplv` as a user does. */

import { join } from 'node:path';
import { execa, type ResultPromise } from 'execa';

/** The compiled program, as users run it. `npm test` has built it. */
export const PROGRAM = join(import.meta.dirname, '../../dist/bin.js');

export type Environment = Readonly<Record<string, string>>;

export interface CaplvResult {
  /** Undefined if a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CaplvOptions {
  /** Over the environment that all calls have. */
  readonly env?: Environment;
  /** What it reads from standard input; by default nothing. */
  readonly input?: string;
  readonly cwd?: string;
}

/** The command line, each call in a process of its own. */
export class Caplv {
  readonly env: Environment;
  readonly #command: readonly string[];

  /** `env`: all that it gets; see `userEnvironment`. `command`: how it is started, for those who do not do it as most do. */
  constructor(env: Environment, command: readonly string[] = [process.execPath, PROGRAM]) {
    this.env = env;
    this.#command = command;
  }

  async run(args: readonly string[], options: CaplvOptions = {}): Promise<CaplvResult> {
    return this.start(args, options).result;
  }

  /** Standard output of a call that has to succeed. */
  async read(args: readonly string[], options: CaplvOptions = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(args, options);
    if (exitCode !== 0) throw new Error(`caplv ${args.join(' ')} ended with ${exitCode}:\n${stderr}`);
    return stdout;
  }

  /** Starts caplv in a process group of its own, as a shell would. */
  start(args: readonly string[], options: CaplvOptions = {}): RunningCaplv {
    const [program = '', ...before] = this.#command;
    const child = execa(program, [...before, ...args], {
      env: { ...this.env, ...options.env },
      extendEnv: false,
      cwd: options.cwd ?? '/',
      detached: true,
      reject: false,
      forceKillAfterDelay: false,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    });
    return new RunningCaplv(child);
  }
}

/** A call that has not ended yet. */
export class RunningCaplv {
  readonly pid: number;
  readonly result: Promise<CaplvResult>;
  readonly #child: ResultPromise;
  #stderr = '';
  #stdout = '';

  constructor(child: ResultPromise) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
    });
    child.stdout?.on('data', (data: Buffer) => {
      this.#stdout += data.toString();
    });
    this.result = child.then(({ exitCode, stdout, stderr }) => ({
      exitCode,
      stdout: String(stdout ?? ''),
      stderr: String(stderr ?? ''),
    }));
  }

  /** Resolves when stderr has a match; rejects when the call ends without one. */
  async says(pattern: RegExp): Promise<void> {
    await this.#matches(pattern, 'stderr', () => this.#stderr);
  }

  /** As `says`, of stdout. */
  async prints(pattern: RegExp): Promise<void> {
    await this.#matches(pattern, 'stdout', () => this.#stdout);
  }

  async #matches(pattern: RegExp, stream: 'stdout' | 'stderr', text: () => string): Promise<void> {
    const heard = Promise.withResolvers<void>();
    const listen = () => {
      if (pattern.test(text())) heard.resolve();
    };
    this.#child[stream]?.on('data', listen);
    listen();
    const ended = this.result.then(() => {
      listen();
      heard.reject(new Error(`caplv ended without ${pattern} on ${stream}:\n${text()}${this.#stderr}`));
    });
    await Promise.race([heard.promise, ended.then(() => heard.promise)]);
    this.#child[stream]?.off('data', listen);
  }

  /** Sends SIGINT to the process group, as a terminal does at Ctrl-C. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }
}

/** The environment of the tests without what would change how caplv behaves, and with `extra`. */
export function userEnvironment(extra: Environment): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(CAPLV_|TF_|NO_COLOR$|FORCE_COLOR$|NODE_|VITEST)/.test(entry[0]),
  );
  return { ...Object.fromEntries(entries), ...extra };
}
