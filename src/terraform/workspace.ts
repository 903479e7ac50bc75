/** Names and writes the files of a Terraform workspace. */

import { readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeWhole } from '../system/atomic-file.ts';
import { readIfThere } from '../system/private-files.ts';
import type { StateHistory } from './state-history.ts';

/** Where one stack lives: its configuration, its runs and, without a backend, its state. */
export interface Workspace {
  /** Working directory; made if absent, mode 0700. */
  readonly dir: string;
  /** State in a `kubernetes` backend that many workspaces share. Absent: the state lies in `dir`. */
  readonly kubernetes?: {
    /** Terraform workspace, one for each stack. */
    readonly workspace: string;
    /** TF_DATA_DIR, initialised once for all workspaces with the same backend block: name it by a hash of that block. */
    readonly dataDir: string;
    /** What the backend needs to reach the API server, for example `KUBE_CONFIG_PATH`. */
    readonly env: Readonly<Record<string, string>>;
    /** The text of the state; empty: there is none. Asked of the API server: a `terraform state pull` takes 150 ms more. */
    readonly readState: () => Promise<string>;
    /** Called before and after each run, which may write the state. */
    readonly forgetState: () => void;
    /** What Terraform has written of who holds the lock of the state; empty: nobody does. */
    readonly readLock: () => Promise<string>;
    /** Where the state lies, for people. */
    readonly place: string;
  };
  /** Earlier states; absent: none are kept. */
  readonly history?: StateHistory;
}

const CONFIG = 'cdk.tf.json';
export const ERRORED_STATE = 'errored.tfstate';

export const paths = {
  state: (workspace: Workspace) => join(workspace.dir, 'terraform.tfstate'),
  /** Where Terraform puts a state that it could not save. */
  erroredState: (workspace: Workspace) => join(workspace.dir, ERRORED_STATE),
  lock: (workspace: Workspace) => join(workspace.dir, 'caplv.lock'),
  /** Output of the last run; kept for whoever looks for the cause of a failure. */
  output: (workspace: Workspace) => join(workspace.dir, 'run.jsonl'),
  dataDir: (workspace: Workspace) => workspace.kubernetes?.dataDir ?? join(workspace.dir, '.terraform'),
};

/**
 * Removes a workspace of which the caller has the lock, which ends with it. Whoever waits for that lock may have it, or have
 * begun to make the directory anew, before this returns: of theirs nothing is touched, but for the draft of a lock, which they write again.
 */
export async function removeWorkspace(workspace: Workspace): Promise<void> {
  const { dir } = workspace;
  const lock = basename(paths.lock(workspace));
  const own = (await readdir(dir).catch(noneIfGone)).filter((name) => name !== lock);
  await Promise.all(own.map((name) => rm(join(dir, name), { recursive: true, force: true })));
  await rm(join(dir, lock), { force: true });
  await rmdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error;
  });
}

/** Renames a state that Terraform could not save, and that no backend will take any more, so that no run tries to push it. */
export async function setErroredStateAside(workspace: Workspace): Promise<void> {
  const path = paths.erroredState(workspace);
  await rename(path, `${path}.unsaved`).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function noneIfGone(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}

/** Makes `config` the one and only configuration of the workspace. Writes nothing if it is already there. */
export async function writeConfig(workspace: Workspace, config: object): Promise<void> {
  const path = join(workspace.dir, CONFIG);
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await removeOtherConfigs(workspace.dir);
  if ((await readIfThere(path)) === text) return;
  await writeWhole(path, text);
}

async function removeOtherConfigs(dir: string): Promise<void> {
  const stale = (await readdir(dir)).filter((name) => /\.(tf|tofu)(\.json)?$/.test(name) && name !== CONFIG);
  await Promise.all(stale.map((name) => unlink(join(dir, name))));
}
