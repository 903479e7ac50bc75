/** Reads the state file of a workspace. */

import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere } from '../system/private-files.ts';
import { parseState, StateCorruptError } from './format/state.ts';

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
