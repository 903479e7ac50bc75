/** The last serials of a state, so that one can be brought back when the state is lost, corrupt, or wrong. */

import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../system/atomic-file.ts';
import { parseState } from './format/state.ts';

export interface KeptState {
  readonly serial: number;
  readonly lineage: string;
  /** Number of resources in it. */
  readonly resources: number;
  readonly keptAt: Date;
}

export interface StateHistory {
  /** Latest first. */
  list(): Promise<KeptState[]>;
  /** The text of a kept state. */
  read(kept: KeptState): Promise<string>;
  /** Adds a state, unless it is there, and drops the oldest of those that are too many. */
  keep(text: string): Promise<void>;
}

/** What stands for a kept state in names: serials of another lineage may be the same. */
export function keptName({ lineage, serial }: Pick<KeptState, 'lineage' | 'serial'>): string {
  return `${lineage.replace(/[^0-9a-f]/g, '').slice(0, 8)}.${serial}`;
}

export function latestFirst(kept: readonly KeptState[]): KeptState[] {
  return [...kept].sort((a, b) => b.keptAt.getTime() - a.keptAt.getTime() || b.serial - a.serial);
}

/** Files beside the state, mode 0600: they hold what the state holds. */
export class FileHistory implements StateHistory {
  readonly #dir: string;
  readonly #limit: number;

  constructor(dir: string, limit: number) {
    this.#dir = dir;
    this.#limit = limit;
  }

  async list(): Promise<KeptState[]> {
    const names = await readdir(this.#dir).catch(() => []);
    const kept = await Promise.all(names.map((name) => this.#look(name)));
    return latestFirst(kept.flat());
  }

  read(kept: KeptState): Promise<string> {
    return readFile(this.#path(kept), 'utf8');
  }

  async keep(text: string): Promise<void> {
    const state = parseState(text);
    if (!state || this.#limit === 0) return;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const path = this.#path(state);
    if (await stat(path).catch(() => undefined)) return;
    await writeAtomically(path, text);
    for (const old of (await this.list()).slice(this.#limit)) await rm(this.#path(old), { force: true });
  }

  /** Nothing for what is no kept state, such as the draft of a process that was killed. */
  async #look(name: string): Promise<KeptState[]> {
    if (!name.endsWith(SUFFIX)) return [];
    try {
      const path = join(this.#dir, name);
      const [text, { mtime }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
      const state = parseState(text, path);
      return state ? [{ ...state, resources: state.resources.length, keptAt: mtime }] : [];
    } catch {
      return [];
    }
  }

  #path(kept: Pick<KeptState, 'lineage' | 'serial'>): string {
    return join(this.#dir, `${keptName(kept)}${SUFFIX}`);
  }
}

const SUFFIX = '.tfstate';
