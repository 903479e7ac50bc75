/** Runs `terraform init` where a workspace needs it. */

import { access, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lock } from '../system/file-lock.ts';
import { makePrivateDir } from '../system/private-files.ts';
import type { Call } from './call.ts';
import type { Launcher } from './launcher.ts';
import type { ProviderProcess } from './provider/process.ts';
import { failureOf } from './run/terraform-error.ts';
import { paths, type Workspace } from './workspace.ts';

/** An `init` from a registry downloads 10 MB. */
const INIT_WAIT_MS = 120_000;

/** Runs `terraform init` where that is needed, once for all who share the data directory. `pluginDir`: where providers are taken from. */
export async function initIfNeeded(
  launcher: Launcher,
  pluginDir: string | undefined,
  call: Pick<Call, 'workspace' | 'lock' | 'onEvent'>,
  host: ProviderProcess | undefined,
): Promise<void> {
  if (!(await needsInit(call.workspace, host))) return;
  const lock = await Lock.acquire(await initLock(call.workspace), {
    operation: 'init',
    timeoutMs: INIT_WAIT_MS,
    onWaiting: (holder) => call.onEvent({ type: 'waiting', holder }),
  });
  try {
    if (!(await needsInit(call.workspace, host))) return;
    call.onEvent({ type: 'initializing' });
    const locked = host === undefined ? await lockProvider(call.workspace) : [];
    const from = pluginDir ? [`-plugin-dir=${pluginDir}`] : [];
    // In the machine's own workspace, of which the Secret exists by now: `init` would make the Secret of any other.
    const outcome = await launcher.run('init', call, host, {
      args: ['init', '-input=false', '-no-color', ...from, ...locked],
      // Should we be killed, it goes on to write what other workspaces share.
      onStart: (pid) => lock.extendTo(pid),
    });
    if (outcome.exitCode !== 0) throw failureOf('init', outcome);
  } finally {
    await lock.release();
  }
}

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
async function initLock(workspace: Workspace): Promise<string> {
  await makePrivateDir(paths.dataDir(workspace));
  return join(paths.dataDir(workspace), 'caplv-init.lock');
}

/**
 * Holds the `init` of a provider that Terraform starts to the hashes of the lock file that CAPLV_PROVIDER_LOCK names, if any. Returns what
 * to add to its arguments.
 */
async function lockProvider(workspace: Workspace): Promise<string[]> {
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
