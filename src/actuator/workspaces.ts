/** Where the Terraform state of each machine and each host lies: a directory each, under the state directory. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendIntent } from '../../stacks/intent.ts';
import { shortHash } from '../intent/names.ts';
import type { ObjectKey } from '../store/store.ts';
import type { Workspace } from '../terraform/workspace.ts';

/** A place to run Terraform in, and what a stack must say to keep its state there. */
export interface StackHome {
  readonly workspace: Workspace;
  readonly backend: BackendIntent;
}

/** Where the seed of a machine lies while Terraform uploads it. */
export function seedDirectory({ workspace }: StackHome): string {
  return join(workspace.dir, 'seed');
}

export class Workspaces {
  readonly #root: string;

  /** `root`: the state directory. */
  constructor(root: string) {
    this.#root = root;
  }

  machine(key: ObjectKey): StackHome {
    return {
      workspace: { dir: join(this.#root, 'machines', key.namespace, key.name) },
      backend: { kind: 'implicit' },
    };
  }

  /** `uri`: the libvirt connection URI of the host. */
  host(uri: string): StackHome {
    return { workspace: { dir: join(this.#root, 'hosts', shortHash(uri)) }, backend: { kind: 'implicit' } };
  }

  /** Removes what is left of a workspace whose resources are all destroyed. */
  async discard(home: StackHome): Promise<void> {
    await rm(home.workspace.dir, { recursive: true, force: true });
  }
}
