/** Runs one terraform process to its end. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { follow } from '../../system/tail.ts';
import { type Message, parseMessage } from '../format/messages.ts';

export interface RunRequest {
  /** Path of terraform. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File that takes the output, stdout and stderr; replaced. */
  readonly output: string;
  /** Keeps the provider alive as long as this run lasts, even if we are killed; see ProviderProcess. */
  readonly lifeline?: Socket;
  readonly onStart?: (pid: number) => Promise<void>;
  readonly onMessage?: (message: Message) => void;
}

export interface RunOutcome {
  /** `null` if a signal ended it. */
  readonly exitCode: number | null;
  readonly messages: readonly Message[];
  /** Lines that were no messages. */
  readonly text: readonly string[];
}

/** Terraform makes its files with the umask of the process, and a dump of its memory would hold what a state holds. */
export const CONFINED = 'umask 077; ulimit -c 0; exec "$0" "$@"';

/**
 * Runs terraform once, to its end. Nothing of ours can stop it: it has its own session, so that a Ctrl-C in the
 * terminal does not reach it, and it writes to a file, since a pipe of a killed parent would kill it by SIGPIPE before
 * it has saved its state. The shell sets limits for it alone.
 */
export async function run(request: RunRequest): Promise<RunOutcome> {
  // Not truncated but replaced: the terraform of a killed caplv may still be writing to the old one.
  await rm(request.output, { force: true });
  const output = await open(request.output, 'ax', 0o600);
  const messages: Message[] = [];
  const text: string[] = [];
  try {
    const follower = await follow(request.output, (line) => {
      const message = parseMessage(line);
      if (message !== undefined) {
        messages.push(message);
        request.onMessage?.(message);
      } else if (!line.startsWith('{')) {
        text.push(line);
      }
    });
    try {
      const child = spawn('/bin/sh', ['-c', CONFINED, request.command, ...request.args], {
        cwd: request.cwd,
        env: { ...request.env },
        detached: true,
        stdio: ['ignore', output.fd, output.fd, request.lifeline ?? 'ignore'],
      });
      return { exitCode: await exitCodeOf(child, request.onStart), messages, text };
    } finally {
      await follower.finish();
    }
  } finally {
    await output.close();
  }
}

async function exitCodeOf(child: ChildProcess, onStart: RunRequest['onStart']): Promise<number | null> {
  const closed = once(child, 'close');
  const started = child.pid === undefined ? undefined : onStart?.(child.pid);
  // Whatever fails here, terraform runs: its end comes first.
  const [end, begin] = await Promise.allSettled([closed, started]);
  if (end.status === 'rejected') throw end.reason;
  if (begin.status === 'rejected') throw begin.reason;
  const [exitCode] = end.value as [number | null];
  return exitCode;
}
