/**
 * A note in the workspace from before a run changes anything until it has succeeded. It is the proof that objects which are
 * in no state come from a broken run of ours, and were never in use.
 */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { State } from '../terraform/state.ts';
import type { StackHome } from './workspaces.ts';

export type ChangingVerb = 'create' | 'update';

/** Runs `work` under the note. It stays when `work` fails, or the process dies. */
export async function noted<T>(home: StackHome, verb: ChangingVerb, work: () => Promise<T>): Promise<T> {
  const verbs = new Set([await unfinishedVerb(home), verb]);
  // A create that broke stays a create until something succeeds: its half-made objects are still nobody's.
  await writeFile(file(home), verbs.has('create') ? 'create' : 'update', { mode: 0o600 });
  const result = await work();
  await rm(file(home), { force: true });
  return result;
}

/** What broke off, if anything did. */
export async function unfinishedVerb(home: StackHome): Promise<ChangingVerb | undefined> {
  const text = await readFile(file(home), 'utf8').catch(() => undefined);
  return text === 'create' || text === 'update' ? text : undefined;
}

/** True if objects without a state may be removed: an update without any state would be a lost state, not a broken run. */
export async function explainsLeftovers(home: StackHome, state: State | undefined): Promise<boolean> {
  const verb = await unfinishedVerb(home);
  return verb === 'create' || (verb === 'update' && state !== undefined);
}

function file({ workspace }: StackHome): string {
  return join(workspace.dir, 'unfinished');
}
