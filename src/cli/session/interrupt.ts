/**
 * Ctrl-C: the first one lets the running Terraform operation end and starts nothing new; the second leaves at once, and
 * Terraform, which runs in a process group of its own, ends by itself.
 */

import type { Streams } from '../output/streams.ts';

export interface InterruptOptions {
  /** The command changes nothing, and goes on until Ctrl-C. */
  readonly isWatch?: boolean;
}

export class Interrupt {
  readonly #controller = new AbortController();
  readonly #stop: () => void;

  constructor(terminal: Streams, { isWatch = false }: InterruptOptions = {}) {
    const onSignal = () => {
      if (this.#controller.signal.aborted) process.exit(130);
      if (!isWatch)
        terminal.say(
          '\nwaiting for the running operation to end; press Ctrl-C again to exit at once (the next call continues from there)',
        );
      this.#controller.abort();
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
    this.#stop = () => process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    this.#stop();
  }
}
