import { access, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDir } from '../system/private-files.ts';
import type { ProviderProcess } from './provider/process.ts';
import { paths, type Workspace } from './workspace.ts';

/**
 * Does the workspace need a `terraform init` before it can be used? A warm provider needs none by itself; a backend
 * block needs one for each data directory, a provider that Terraform starts one for each working directory.
 */
export async function needsInit(workspace: Workspace, host: ProviderProcess | undefined): Promise<boolean> {
  const needed: string[] = [];
  if (workspace.kubernetes !== undefined) needed.push(join(paths.dataDir(workspace), 'terraform.tfstate'));
  if (host === undefined) {
    needed.push(join(paths.dataDir(workspace), 'providers'), join(workspace.dir, '.terraform.lock.hcl'));
  }
  const present = await Promise.all(needed.map(exists));
  return present.includes(false);
}

/** Path of the lock under which `init` runs: a data directory may be shared by many workspaces. */
export async function initLock(workspace: Workspace): Promise<string> {
  await makePrivateDir(paths.dataDir(workspace));
  return join(paths.dataDir(workspace), 'caplv-init.lock');
}

/**
 * Holds the `init` of a provider that Terraform starts to the hashes of the lock file that CAPLV_PROVIDER_LOCK names, if any. Returns what
 * to add to its arguments.
 */
export async function lockProvider(workspace: Workspace): Promise<string[]> {
  const lockFile = process.env.CAPLV_PROVIDER_LOCK;
  if (!lockFile) return [];
  await copyFile(lockFile, join(workspace.dir, '.terraform.lock.hcl'));
  return ['-lockfile=readonly'];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
