import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

export interface LogLine {
  readonly message: string;
  readonly object?: string;
  readonly [name: string]: unknown;
}

export const PROGRAM = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));
const soon = { timeout: 40_000, interval: 100 };

/** `caplv controller` as a process, with what it logs. */
export class ControllerProcess {
  readonly lines: LogLine[] = [];
  readonly child: ChildProcess;
  /** Code and signal. */
  readonly exited: Promise<unknown>;

  private constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    const all = ['controller', '--listen', '127.0.0.1:0', '-v', ...args];
    this.child = spawn(process.execPath, [PROGRAM, ...all], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    this.exited = once(this.child, 'exit');
    const output = this.child.stderr;
    if (output) createInterface(output).on('line', (line) => this.lines.push(JSON.parse(line) as LogLine));
  }

  /** Does not wait for anything. */
  static begin(env: NodeJS.ProcessEnv, args: readonly string[] = []): ControllerProcess {
    return new ControllerProcess(args, env);
  }

  /** Resolves when it has begun to work, or waits for another to end. */
  static async start(
    env: NodeJS.ProcessEnv,
    args: readonly string[] = [],
    awaited = 'Working',
  ): Promise<ControllerProcess> {
    const controller = ControllerProcess.begin(env, args);
    try {
      await controller.says(awaited);
      return controller;
    } catch (error) {
      await controller.kill();
      throw error;
    }
  }

  async says(message: string): Promise<LogLine> {
    return vi.waitFor(() => {
      const found = this.lines.find((line) => line.message === message);
      if (!found) throw new Error(`it does not say "${message}"; last: ${JSON.stringify(this.lines.at(-1))}`);
      return found;
    }, soon);
  }

  async fetch(path: string): Promise<string> {
    const { port } = await this.says('Starting');
    return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  }

  /** As an operator or the kubelet does. Resolves to exit code and signal. */
  async stop(): Promise<unknown> {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  /** As a crash does. What it started in other sessions goes on. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await this.exited;
  }
}
