/** Finds the executable of the libvirt provider. */

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { TerminalError } from '../../errors.ts';
import { cacheDir } from '../../system/cache-dir.ts';
import { makePrivateDir } from '../../system/private-files.ts';
import { terraformEnvironment } from '../run/environment.ts';
import { run } from '../run/process.ts';
import { TerraformError } from '../run/terraform-error.ts';
import { readCliConfig } from './cli-config.ts';
import { requireLocked } from './provider-lock.ts';
import type { TerraformBinary } from './terraform.ts';

/** The version that the stacks are written for; 0.9 is another provider in all but name. */
export const PROVIDER_VERSION = '0.8.3';
const NAME = 'dmacvicar/libvirt';
const HOSTS = ['registry.terraform.io', 'registry.opentofu.org'];

/**
 * Finds the executable of the libvirt provider: the named one, else an unpacked one in the filesystem mirrors and the plugin
 * cache that Terraform's own configuration names, in the directories where Terraform looks by default, or in our cache; else
 * lets `terraform init` fetch it into our cache, once, from wherever the configuration says (packed and network mirrors, the
 * public registry). CAPLV_PROVIDER_LOCK names a `.terraform.lock.hcl` that must have its hash.
 * @throws TerminalError ProviderNotFound
 */
export async function findProvider(options: {
  readonly path?: string;
  readonly terraform: TerraformBinary;
}): Promise<string> {
  const found = await locate(options);
  const lockFile = process.env.CAPLV_PROVIDER_LOCK;
  if (lockFile) await requireLocked(found, lockFile, { name: NAME, version: PROVIDER_VERSION });
  return found;
}

async function locate(options: Parameters<typeof findProvider>[0]): Promise<string> {
  if (options.path !== undefined) return checkExecutable(options.path);
  const cache = join(cacheDir(), 'providers');
  for (const mirror of [...(await mirrors()), cache]) {
    const found = await findInMirror(mirror);
    if (found !== undefined) return found;
  }
  await fetchInto(cache, options.terraform);
  const fetched = await findInMirror(cache);
  if (fetched === undefined) throw notFound('terraform init brought no executable');
  return fetched;
}

async function checkExecutable(path: string): Promise<string> {
  try {
    await access(path, constants.X_OK);
    return await realpath(path);
  } catch (cause) {
    throw new TerminalError({
      code: 'ProviderNotFound',
      message: `The provider ${path} is not there or not executable`,
      fix: `name the executable of the Terraform provider ${NAME} ${PROVIDER_VERSION}`,
      cause,
    });
  }
}

async function mirrors(): Promise<string[]> {
  const config = await readCliConfig();
  const dataHome = process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share');
  return [
    ...config.mirrors,
    join(homedir(), '.terraform.d', 'plugins'),
    join(dataHome, 'terraform', 'plugins'),
    join(dataHome, 'opentofu', 'plugins'),
    '/usr/local/share/terraform/plugins',
    '/usr/share/terraform/plugins',
    ...(config.pluginCacheDir ? [config.pluginCacheDir] : []),
  ];
}

/** Unpacked layout: `<host>/<namespace>/<name>/<version>/<os>_<arch>/terraform-provider-libvirt…`. */
async function findInMirror(mirror: string): Promise<string | undefined> {
  for (const host of HOSTS) {
    const dir = join(mirror, host, NAME, PROVIDER_VERSION, platform());
    const files = await readdir(dir).catch(() => []);
    const name = files.find((file) => file.startsWith('terraform-provider-libvirt'));
    if (name !== undefined) return realpath(join(dir, name));
  }
  return undefined;
}

/** Go's names for where we run. */
function platform(): string {
  const arch = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch;
  return `${process.platform}_${arch}`;
}

async function fetchInto(cache: string, terraform: TerraformBinary): Promise<void> {
  await makePrivateDir(cacheDir());
  const dir = join(cache, `.init-${randomUUID()}`);
  await mkdir(dir, { recursive: true });
  try {
    const config = {
      terraform: { required_providers: { libvirt: { source: NAME, version: PROVIDER_VERSION } } },
    };
    await writeFile(join(dir, 'main.tf.json'), JSON.stringify(config));
    const outcome = await run({
      command: terraform.path,
      args: ['init', '-input=false', '-no-color', '-backend=false'],
      cwd: dir,
      env: terraformEnvironment(),
      output: join(dir, 'init.log'),
    });
    if (outcome.exitCode !== 0) {
      const error = new TerraformError('init', outcome);
      throw notFound(error.message, error);
    }
    await moveProviders(join(dir, '.terraform', 'providers'), cache);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function moveProviders(from: string, cache: string): Promise<void> {
  for (const host of await readdir(from)) {
    const place = join(host, NAME, PROVIDER_VERSION, platform());
    const source = join(from, place);
    const target = join(cache, place);
    await mkdir(dirname(target), { recursive: true });
    const real = await realpath(source);
    try {
      // Terraform links to what lies unpacked in a mirror or its plugin cache.
      if (real === source) await rename(source, target);
      else await symlink(real, target);
    } catch (error) {
      // Someone else was faster; theirs is as good.
      if (!['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

function notFound(why: string, cause?: unknown): TerminalError {
  return new TerminalError({
    code: 'ProviderNotFound',
    message: `The Terraform provider ${NAME} ${PROVIDER_VERSION} is not on this machine and could not be downloaded: ${why}`,
    fix:
      `put it into a filesystem mirror, <mirror>/${HOSTS[0]}/${NAME}/${PROVIDER_VERSION}/${platform()}/terraform-provider-libvirt_v${PROVIDER_VERSION}, ` +
      'and name that mirror in the file that TF_CLI_CONFIG_FILE names',
    cause,
  });
}
