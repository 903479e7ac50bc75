/** Lets a demo end in order when it is interrupted. */

import { say } from './words.ts';

/** Returns a signal that aborts at Ctrl-C, or when the process is asked to end. From now on neither ends the process by itself. */
export function interruption(): AbortSignal {
  const interrupted = new AbortController();
  const interrupt = () => {
    // npm passes on what the terminal has sent already: one counts.
    if (!interrupted.signal.aborted)
      say('\ninterrupted: removing all of it, when the terraform that runs has ended');
    interrupted.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  return interrupted.signal;
}
