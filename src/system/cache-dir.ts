/** Names the directory of files that can be downloaded or built again. */

import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where we keep what can be had again: `$XDG_CACHE_HOME/caplv`, by default `~/.cache/caplv`. */
export function cacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'caplv');
}
