/** States in files: a directory for each machine and each host, under the state directory. */

import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shortHash } from '../intent/names.ts';
import type { ObjectKey } from '../store/store.ts';
import { FileHistory, KEPT_SERIALS, type StateHistory } from '../terraform/state-history.ts';
import { readIfThere } from '../terraform/workspace.ts';
import type { Notes, StackHome, Workspaces } from './workspaces.ts';

export class LocalWorkspaces implements Workspaces {
  readonly #root: string;
  readonly #keptSerials: number;

  /** `root`: the state directory; `keptSerials`: how many of each state are kept. */
  constructor(root: string, keptSerials = KEPT_SERIALS) {
    this.#root = root;
    this.#keptSerials = keptSerials;
  }

  machine(key: ObjectKey): StackHome {
    return this.#home(join(this.#root, 'machines', key.namespace, key.name));
  }

  host(uri: string): StackHome {
    return this.#home(join(this.#root, 'hosts', shortHash(uri)));
  }

  #home(dir: string): StackHome {
    return home(dir, new FileHistory(join(dir, 'history'), this.#keptSerials));
  }
}

function home(dir: string, history: StateHistory): StackHome {
  const state = join(dir, 'terraform.tfstate');
  return {
    workspace: { dir, history },
    history,
    backend: { kind: 'implicit' },
    place: dir,
    notes: fileNotes(dir),
    exists: async () => existsSync(dir),
    prepare: async () => {},
    setCorruptAside: () => rename(state, `${state}.corrupt`),
    discard: () => rm(dir, { recursive: true, force: true }),
  };
}

function fileNotes(dir: string): Notes {
  return {
    read: (name) => readIfThere(join(dir, name)),
    write: (name, text) => writeFile(join(dir, name), text, { mode: 0o600 }),
    remove: (name) => rm(join(dir, name), { force: true }),
  };
}
