/** Runs a program to its end, within limits of time and output. */

import { spawn } from 'node:child_process';

/** How a program ended, and what it wrote. */
export interface SubprocessResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  /** Of the system call that could not start it, for example `ENOENT`. */
  readonly code?: string | undefined;
  readonly timedOut: boolean;
  readonly isCanceled: boolean;
  /** It wrote more than `OUTPUT_CHARACTERS`, and was ended. */
  readonly isTooLong?: boolean;
}

/** Characters that a program may write to one of its streams. A thousand domains have 10 million. */
export const OUTPUT_CHARACTERS = 64 * 2 ** 20;

export interface EndOptions {
  readonly timeoutMs: number;
  /** Default `OUTPUT_CHARACTERS`. */
  readonly maxCharacters?: number;
  readonly signal: AbortSignal | undefined;
  /** Over the environment of this process; undefined: without that variable. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs a program that may be killed at any time. Not by execa: to load it and call it once takes 25 ms, of which a command that
 * only looks at something has few.
 */
export function runSubprocess(
  program: string,
  args: readonly string[],
  options: EndOptions,
): Promise<SubprocessResult> {
  const { timeoutMs, signal, maxCharacters = OUTPUT_CHARACTERS } = options;
  const texts = { stdout: '', stderr: '' };
  const { promise, resolve } = Promise.withResolvers<SubprocessResult>();
  const end = (how: Partial<SubprocessResult>) =>
    resolve({ ...texts, timedOut: false, isCanceled: false, ...how });
  if (signal?.aborted) return Promise.resolve({ ...texts, timedOut: false, isCanceled: true });
  const env = { ...process.env, ...options.env };
  // A connection by ssh is a child of virsh, and goes on when only virsh is killed: so both are a process group.
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  for (const name of ['stdout', 'stderr'] as const) {
    // Without descriptors left there is none.
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      if (texts[name].length + text.length > maxCharacters) kill({ isTooLong: true });
      else texts[name] += text;
    });
  }
  const kill = (how: Partial<SubprocessResult>) => {
    killGroup(child.pid);
    // A process that has left the group may hold these open without limit.
    child.stdout?.destroy();
    child.stderr?.destroy();
    end(how);
  };
  const timer = setTimeout(() => kill({ timedOut: true }), timeoutMs);
  const onAbort = () => kill({ isCanceled: true });
  signal?.addEventListener('abort', onAbort);
  child.on('error', ({ code }: NodeJS.ErrnoException) => end({ code }));
  child.on('close', (exitCode, killedBy) =>
    end({ exitCode: exitCode ?? undefined, signal: killedBy ?? undefined }),
  );
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  });
}

export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // No process was left in the group.
  }
}
