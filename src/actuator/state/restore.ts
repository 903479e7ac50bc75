/** Puts a kept serial in place of the state, for a person who asks for it. */

import { TerminalError } from '../../errors.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import { type State, StateCorruptError } from '../../terraform/format/state.ts';
import type { KeptState } from '../../terraform/state-history.ts';
import type { StateSession } from '../context/state-session.ts';
import { nextSerial } from './recover-machine.ts';

export interface Restored {
  /** What the state now says it is. */
  readonly serial: number;
  /** The state that was there could not be read, and is kept aside. */
  readonly wasCorrupt: boolean;
}

/**
 * What was there goes into the history, so that this can be undone. Throws TerminalError NotFound
 * for a serial that is not kept, StateMismatch for one of another lineage.
 */
export async function restoreState(session: StateSession, serial: number): Promise<Restored> {
  const { home, terraform } = session;
  const current = await terraform.state().catch((error: unknown) => {
    if (error instanceof StateCorruptError) return 'corrupt' as const;
    throw error;
  });
  const wasCorrupt = current === 'corrupt';
  const kept = await home.history.list();
  const chosen = choose(kept, serial, wasCorrupt ? undefined : current);
  const text = await home.history.read(chosen);
  const next = nextSerial(wasCorrupt ? undefined : current, kept);
  if (wasCorrupt) await home.setCorruptAside();
  await session.pushState(new ImportedState(text).numbered(next).text);
  // Terraform may have counted on.
  const restored = await terraform.state();
  return { serial: restored?.serial ?? next, wasCorrupt };
}

function choose(kept: readonly KeptState[], serial: number, current: State | undefined): KeptState {
  const named = kept.filter((one) => one.serial === serial);
  const chosen = named.find(({ lineage }) => current === undefined || lineage === current.lineage);
  if (chosen) return chosen;
  if (named.length > 0) {
    throw new TerminalError({
      code: 'StateMismatch',
      message: `serial ${serial} has another lineage than the current state: it belongs to an earlier machine or host of that name`,
      fix: 'caplv state history NAME lists the lineage of each; to restore it anyway, first remove the current state',
    });
  }
  throw new TerminalError({
    code: 'NotFound',
    message: `serial ${serial} is not kept`,
    fix:
      kept.length > 0
        ? `use one of ${kept.map((one) => one.serial).join(', ')}`
        : 'nothing is kept yet; if the machine exists without a state, caplv apply recovers the state',
  });
}
