/** Runs `caplv controller` as a process, and reads its log. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface LogLine {
  readonly message: string;
  readonly object?: string;
  readonly [name: string]: unknown;
}

export const PROGRAM = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));
const SOON_MS = 40_000;

/** `caplv controller` as a process, with what it logs. */
export class ControllerProcess {
  readonly lines: LogLine[] = [];
  readonly child: ChildProcess;
  /** Code and signal. */
  readonly exited: Promise<unknown>;
  readonly #waiting = new Set<(line: LogLine) => void>();

  private constructor(args: readonly string[], env: NodeJS.ProcessEnv, program: string) {
    const all = ['controller', '--listen', '127.0.0.1:0', ...args];
    this.child = spawn(process.execPath, [program, ...all], {
      env: { ...process.env, CAPLV_VERBOSE: '1', ...env },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    this.exited = once(this.child, 'exit');
    const output = this.child.stderr;
    if (output) createInterface(output).on('line', (line) => this.#take(JSON.parse(line) as LogLine));
  }

  /** Does not wait for anything. */
  static begin(env: NodeJS.ProcessEnv, args: readonly string[] = [], program = PROGRAM): ControllerProcess {
    return new ControllerProcess(args, env, program);
  }

  /** Resolves when it has begun to work, or waits for another to end. */
  static async start(
    env: NodeJS.ProcessEnv,
    args: readonly string[] = [],
    awaited = 'Working',
    program = PROGRAM,
  ): Promise<ControllerProcess> {
    const controller = ControllerProcess.begin(env, args, program);
    try {
      await controller.says(awaited);
      return controller;
    } catch (error) {
      await controller.kill();
      throw error;
    }
  }

  async says(message: string): Promise<LogLine> {
    const said = this.lines.find((line) => line.message === message);
    if (said) return said;
    const { promise, resolve } = Promise.withResolvers<LogLine>();
    const take = (line: LogLine) => {
      if (line.message === message) resolve(line);
    };
    this.#waiting.add(take);
    const timeout = new AbortController();
    try {
      const never = Promise.race([this.exited, sleep(SOON_MS, undefined, { signal: timeout.signal })]).then(
        () => {
          const last = JSON.stringify(this.lines.at(-1));
          throw new Error(`it does not say "${message}"; last: ${last}`);
        },
      );
      return await Promise.race([promise, never]);
    } finally {
      timeout.abort();
      this.#waiting.delete(take);
    }
  }

  #take(line: LogLine): void {
    this.lines.push(line);
    for (const waiter of this.#waiting) waiter(line);
  }

  async fetch(path: string): Promise<string> {
    const { port } = await this.says('Starting');
    return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  }

  /** Stops the process as an operator or the kubelet does. Resolves to exit code and signal. */
  async stop(): Promise<unknown> {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  /** Kills the process, as a crash would. Processes that it started in other sessions continue. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await this.exited;
  }
}
