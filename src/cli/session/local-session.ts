/** What every command has: settings, terminal, engine, and a clean end. */

import { type Config, configOf } from '../../app/config.ts';
import { type EngineOptions, type LocalEngine, openEngine } from '../../app/engine.ts';
import type { GlobalFlags } from '../../app/global-flags.ts';
import { Progress, terminalRecorder } from '../output/progress.ts';
import { openTerminal, type Streams } from '../output/streams.ts';
import { Interrupt, type InterruptOptions } from './interrupt.ts';

export interface Context {
  readonly config: Config;
  readonly terminal: Streams;
  readonly progress: Progress;
  readonly engine: LocalEngine;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Runs `work` with all it needs and closes everything after it. Returns its exit code. */
export async function withContext(
  flags: GlobalFlags,
  work: (context: Context) => Promise<number>,
  options: Pick<
    EngineOptions,
    'allowReplace' | 'allowRestart' | 'allowReplaceDisks' | 'now' | 'hasIncompleteState' | 'libvirt'
  > &
    InterruptOptions = {},
): Promise<number> {
  const config = configOf(flags);
  const terminal = openTerminal(config);
  const progress = new Progress(terminal);
  const interrupt = new Interrupt(terminal, options);
  try {
    const engine: LocalEngine = await openEngine(config, {
      // A look at a file: whoever applies a machine has its lost state back.
      hasIncompleteState: async (machine) => !(await engine.actuator.hasState(machine)),
      ...options,
      recorder: terminalRecorder(terminal),
      onProgress: (key, event) => progress.event(key.name, event),
    });
    try {
      return await work({ config, terminal, progress, engine, signal: interrupt.signal });
    } finally {
      await engine.close();
    }
  } finally {
    interrupt.dispose();
  }
}
