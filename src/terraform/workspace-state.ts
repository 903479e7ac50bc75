/** Reads the state of a workspace. */

import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere } from '../system/private-files.ts';
import { parseState, type State, StateCorruptError } from './format/state.ts';
import { paths, type Workspace } from './workspace.ts';

/** Terraform truncates a state file and writes it anew, which takes it less than a millisecond. */
const HALF_WRITTEN_RETRIES = 10;

/** The text of a state file beside a terraform that may be writing it. Empty: there is none. Throws Terminal StateCorruptError. */
export async function readStateFile(path: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const text = (await readIfThere(path)) ?? '';
      parseState(text, path);
      return text;
    } catch (error) {
      if (!(error instanceof StateCorruptError) || attempt === HALF_WRITTEN_RETRIES) throw error;
      await delay(5);
    }
  }
}

/** The state as it was saved, secrets and all; empty: there is none. */
export async function readStateText({ kubernetes, ...workspace }: Workspace): Promise<string> {
  return kubernetes ? kubernetes.readState() : readStateFile(paths.state(workspace));
}

/** The state as last saved; a run in progress may be ahead of it. `undefined`: there is none. Throws Terminal StateCorruptError. */
export async function readState(workspace: Workspace): Promise<State | undefined> {
  const place = workspace.kubernetes?.place ?? paths.state(workspace);
  return parseState(await readStateText(workspace), place);
}
