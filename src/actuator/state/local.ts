/** States in files: a directory for each machine and each host, under the state directory. */

import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { shortHash } from '../../intent/names.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { removeDurably, renameDurably, writeAtomically } from '../../system/atomic-file.ts';
import { readIfThere } from '../../system/private-files.ts';
import { KEPT_SERIALS } from '../../terraform/kept-serials.ts';
import { FileHistory, type StateHistory } from '../../terraform/state-history.ts';
import { removeWorkspace } from '../../terraform/workspace.ts';
import {
  firstUsed,
  type MachineState,
  type Notes,
  type SpellingsOf,
  type StateBackends,
  type StateHandle,
} from '../context/state-home.ts';

const STATE = 'terraform.tfstate';

export class LocalStateBackends implements StateBackends {
  readonly #root: string;
  readonly #keptSerials: number;
  readonly #spellingsOf: SpellingsOf;

  /** `root`: the state directory; `keptSerials`: how many of each state are kept. */
  constructor(
    root: string,
    options: { readonly keptSerials?: number; readonly spellingsOf?: SpellingsOf } = {},
  ) {
    this.#root = root;
    this.#keptSerials = options.keptSerials ?? KEPT_SERIALS;
    this.#spellingsOf = options.spellingsOf ?? (() => []);
  }

  machine(key: ObjectKey): StateHandle {
    return this.#home(join(this.#root, 'machines', key.namespace, key.name));
  }

  host(host: AllowedHost): Promise<StateHandle> {
    const homeOf = (uri: string) => this.#home(join(this.#root, 'hosts', shortHash(uri)));
    return firstUsed(homeOf(host), this.#spellingsOf(host).map(homeOf));
  }

  image(uri: AllowedHost, { pool, volume }: { readonly pool: string; readonly volume: string }): StateHandle {
    return this.#home(join(this.#imagesOf(uri), shortHash(`${pool}/${volume}`)));
  }

  async images(uri: AllowedHost): Promise<StateHandle[]> {
    const root = this.#imagesOf(uri);
    const names = await readdir(root).catch(noneIfGone);
    return names.map((name) => this.#home(join(root, name)));
  }

  /** Not within the directory of the host, which goes with its last network or pool. */
  #imagesOf(uri: AllowedHost): string {
    return join(this.#root, 'images', shortHash(uri));
  }

  async machineStates(): Promise<MachineState[]> {
    const root = join(this.#root, 'machines');
    const found: MachineState[] = [];
    for (const namespace of await readdir(root).catch(noneIfGone)) {
      for (const name of await readdir(join(root, namespace)).catch(noneIfGone)) {
        const file = await stat(join(root, namespace, name, STATE)).catch(undefinedIfGone);
        if (file) found.push({ key: { namespace, name }, version: `${file.mtimeMs} ${file.size}` });
      }
    }
    return found;
  }

  #home(dir: string): StateHandle {
    return home(dir, new FileHistory(join(dir, 'history'), this.#keptSerials));
  }
}

function home(dir: string, history: StateHistory): StateHandle {
  const state = join(dir, STATE);
  return {
    workspace: { dir, history },
    history,
    backend: { kind: 'implicit' },
    place: dir,
    notes: fileNotes(dir),
    exists: async () => existsSync(dir),
    prepare: async () => {},
    readOnce: (work) => work(),
    release: () => {},
    setCorruptAside: () => {
      const aside = `${state}.corrupt`;
      // What was put aside before stays.
      return renameDurably(state, existsSync(aside) ? `${aside}-${Date.now()}` : aside);
    },
    discard: () => removeWorkspace({ dir }),
  };
}

/** States that cannot be listed are not none: what they hold would look untracked. */
function noneIfGone(error: NodeJS.ErrnoException): string[] {
  undefinedIfGone(error);
  return [];
}

function undefinedIfGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}

function fileNotes(dir: string): Notes {
  const write = (name: string, text: string) => writeAtomically(join(dir, name), text);
  const remove = (name: string) => removeDurably(join(dir, name));
  return {
    read: (name) => readIfThere(join(dir, name)),
    write,
    remove,
    update: async (texts) => {
      for (const [name, text] of Object.entries(texts))
        await (text === undefined ? remove(name) : write(name, text));
    },
  };
}
