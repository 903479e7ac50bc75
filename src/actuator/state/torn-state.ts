/**
 * A state in a local file of which terraform wrote a part before it was killed. The note of a pending operation tells it from one
 * that somebody edited, and the copy of the last run has what was in it before: so it is put aside, and recovered as one that is lost.
 */

import { readFile } from 'node:fs/promises';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import { parseState, type State, StateCorruptError } from '../../terraform/format/state.ts';
import type { Terraform } from '../../terraform/terraform.ts';
import { paths } from '../../terraform/workspace.ts';
import type { StateHandle } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { type ChangingVerb, hasWholeDomain, notePending, pendingVerb } from './machine-journal.ts';
import { nextSerial } from './recover-machine.ts';

interface Parts {
  readonly terraform: Terraform;
}

/** True for a local state of which a run that broke off left a part. Without the lock: perhaps only for a moment. */
export async function isTorn(home: StateHandle): Promise<boolean> {
  return (await tornBy(home)) !== undefined;
}

/** The operation whose run left a part of a state. The note of it is asked for first: it is rarely there, and a state may be large. */
async function tornBy(home: StateHandle): Promise<ChangingVerb | undefined> {
  if (home.backend.kind !== 'implicit') return undefined;
  const verb = await pendingVerb(home);
  if (verb === undefined) return undefined;
  const text = await readFile(paths.state(home.workspace), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  return text !== undefined && isPart(text) ? verb : undefined;
}

function isPart(text: string): boolean {
  if (text.trim() === '') return true;
  try {
    parseState(text);
    return false;
  } catch (error) {
    return error instanceof StateCorruptError && error.isCut;
  }
}

/**
 * Before anything reads the state of a session: puts a torn one aside, so that it is one that is lost, and comes back
 * from the serials that were kept, or by import. Returns whether it was torn.
 */
export async function setTornAside({
  home,
  onEvent,
}: Pick<StateSession, 'home' | 'onEvent'>): Promise<boolean> {
  const verb = await tornBy(home);
  if (verb === undefined) return false;
  // A create that came to its end has made a guest that is in use: nothing of it may be removed as half-made.
  if (verb === 'create' && hasWholeDomain(await lastKept(home))) await notePending(home, 'update');
  await home.setCorruptAside();
  onEvent({ type: 'state_set_aside', place: home.place });
  return true;
}

/** Brings back the state that was kept last, whatever of it is gone by now. For what is removed as a whole. */
export async function restoreLast(session: StateSession): Promise<void> {
  const { home } = session;
  const kept = await home.history.list();
  const [last] = kept;
  if (!last?.resources) return;
  const { text } = new ImportedState(await home.history.read(last)).numbered(nextSerial(undefined, kept));
  await session.pushState(text);
}

/** What is known of a state without its lock: of a torn one what was kept last. Throws Terminal StateCorruptError. */
export async function knownState({ terraform }: Parts, home: StateHandle): Promise<State | undefined> {
  return (await isTorn(home)) ? lastKept(home) : terraform.state(home.workspace);
}

async function lastKept({ history }: StateHandle): Promise<State | undefined> {
  const [last] = await history.list();
  return last && parseState(await history.read(last));
}
