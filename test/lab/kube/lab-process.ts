/** Starts and stops the processes of a lab. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, runs } from '../../../src/system/process-identity.ts';

/** A pid alone may belong to another process by now. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot, from /proc. */
  readonly startTime: string;
}

export interface LabProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Gets stdout and stderr, appended. */
  readonly logPath: string;
  /** True: outlives this process. False: the kernel kills it when this process ends, however that happens; Ctrl-C alone does not. */
  readonly detached: boolean;
  /** More than the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a daemon in the background. */
export async function startProcess({
  command,
  args,
  logPath,
  detached,
  env,
}: LabProcessOptions): Promise<ProcessId> {
  const log = openSync(logPath, 'a', 0o600);
  const [program, ...rest] = detached
    ? [command, ...args]
    : ['setpriv', '--pdeathsig', 'KILL', command, ...args];
  const child: ChildProcess = spawn(program as string, rest, {
    stdio: ['ignore', log, log],
    // A session of its own: what this process still has to do when the terminal interrupts it may need the daemon.
    detached: true,
    env: { ...process.env, ...env },
  });
  closeSync(log);
  await once(child, 'spawn');
  child.unref();
  const pid = child.pid as number;
  return { pid, startTime: identify(pid).startTime ?? '' };
}

/** Returns true until all threads have ended, since the ports are in use until then. */
export function isRunning(id: ProcessId): boolean {
  return runs(id);
}

/** Ends exactly this process, and waits until it is gone. SIGKILL follows after three seconds. */
export async function stopProcess(id: ProcessId, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const killAt = performance.now() + 3_000;
  for (let sent: NodeJS.Signals | undefined; isRunning(id); ) {
    const next = performance.now() > killAt ? 'SIGKILL' : signal;
    if (next !== sent) {
      sent = next;
      process.kill(id.pid, sent);
    }
    await sleep(20);
  }
}
