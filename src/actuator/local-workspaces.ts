/** States in files: a directory for each machine and each host, under the state directory. */

import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shortHash } from '../intent/names.ts';
import type { ObjectKey } from '../store/store.ts';
import { readIfThere } from '../terraform/workspace.ts';
import type { Notes, StackHome, Workspaces } from './workspaces.ts';

export class LocalWorkspaces implements Workspaces {
  readonly #root: string;

  /** `root`: the state directory. */
  constructor(root: string) {
    this.#root = root;
  }

  machine(key: ObjectKey): StackHome {
    return home(join(this.#root, 'machines', key.namespace, key.name));
  }

  host(uri: string): StackHome {
    return home(join(this.#root, 'hosts', shortHash(uri)));
  }
}

function home(dir: string): StackHome {
  return {
    workspace: { dir },
    backend: { kind: 'implicit' },
    place: dir,
    notes: fileNotes(dir),
    exists: async () => existsSync(dir),
    prepare: async () => {},
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
