/** Finds the executable of Terraform or OpenTofu, and requires a version. */

import { constants } from 'node:fs';
import { access, readFile, realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { TerminalError } from '../../errors.ts';
import { writeWhole } from '../../system/atomic-file.ts';
import { cacheDir } from '../../system/cache-dir.ts';
import { makePrivateDir } from '../../system/private-files.ts';
import { terraformEnvironment } from '../run/environment.ts';

export interface TerraformBinary {
  /** Absolute. */
  readonly path: string;
  readonly flavor: 'terraform' | 'tofu';
  /** For example `1.11.4`. */
  readonly version: string;
}

/** `terraform_data`, which the stacks use, came with Terraform 1.4; OpenTofu has had it from its start, 1.6. */
const OLDEST = { terraform: [1, 4], tofu: [1, 6] } as const;

const INSTALL =
  'install Terraform ≥ 1.4 (https://developer.hashicorp.com/terraform/install) or OpenTofu ≥ 1.6';

/**
 * Finds terraform: `path` if given, else `terraform`, else `tofu` in PATH. Asking a binary for its version takes 46 ms, so
 * the answer is kept in the cache directory for as long as the file stays the same.
 * @throws TerminalError TerraformNotFound, TerraformTooOld
 */
export async function findTerraform(options: { readonly path?: string } = {}): Promise<TerraformBinary> {
  const path = options.path ?? (await findInPath('terraform')) ?? (await findInPath('tofu'));
  if (path === undefined) {
    throw new TerminalError({
      code: 'TerraformNotFound',
      message: 'Neither terraform nor tofu is in PATH',
      fix: `${INSTALL}, or name it with --terraform`,
    });
  }
  const binary = await identify(path);
  const [major, minor] = OLDEST[binary.flavor];
  if (!atLeast(binary.version, major, minor)) {
    throw new TerminalError({
      code: 'TerraformTooOld',
      message: `${binary.path} is ${binary.flavor} ${binary.version}, and caplv needs ${major}.${minor} or later`,
      fix: INSTALL,
    });
  }
  return binary;
}

/**
 * `import` blocks came with Terraform 1.5; OpenTofu has had them from its start.
 * @throws TerminalError TerraformTooOld
 */
export function requireImport({ path, flavor, version }: TerraformBinary): void {
  if (flavor === 'tofu' || atLeast(version, 1, 5)) return;
  throw new TerminalError({
    code: 'TerraformTooOld',
    message: `${path} is terraform ${version}, and bringing back a lost state takes 1.5 or later`,
    fix: 'install Terraform ≥ 1.5, or OpenTofu ≥ 1.6',
  });
}

async function findInPath(name: string): Promise<string | undefined> {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir || '.', name);
    const found = await access(path, constants.X_OK).then(
      () => stat(path).then((stats) => stats.isFile()),
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

async function identify(path: string): Promise<TerraformBinary> {
  const { key, real } = await fingerprint(path);
  const cache = join(cacheDir(), 'terraform-version.json');
  const known = await readCache(cache);
  if (known?.key === key) return known.binary;
  const binary = await askVersion(real);
  await writeCache(cache, { key, binary });
  return binary;
}

/** Changes whenever the file does. */
async function fingerprint(path: string): Promise<{ key: string; real: string }> {
  try {
    const real = await realpath(path);
    const { size, mtimeMs, ino } = await stat(real);
    return { key: `${real} ${size} ${mtimeMs} ${ino}`, real };
  } catch (cause) {
    throw notTerraform(path, 'it cannot be read', cause);
  }
}

async function askVersion(path: string): Promise<TerraformBinary> {
  const { execa } = await import('execa');
  const result = await execa(path, ['version', '-json'], {
    env: terraformEnvironment(),
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  });
  if (result.failed) throw notTerraform(path, result.shortMessage ?? 'it fails', result.cause);
  const version = versionIn(result.stdout);
  if (version === undefined) throw notTerraform(path, '`version -json` does not print a version');
  // Both print `terraform_version`; only the text for people names the flavor, unless the file does.
  const flavor = /tofu/i.test(path) || (await saysTofu(path)) ? 'tofu' : 'terraform';
  return { path, flavor, version };
}

async function saysTofu(path: string): Promise<boolean> {
  const { execa } = await import('execa');
  const { stdout } = await execa(path, ['version'], {
    env: terraformEnvironment(),
    extendEnv: false,
    reject: false,
  });
  return stdout.startsWith('OpenTofu');
}

function versionIn(text: string): string | undefined {
  try {
    const { terraform_version: version } = JSON.parse(text);
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

function notTerraform(path: string, why: string, cause?: unknown): TerminalError {
  return new TerminalError({
    code: 'TerraformNotFound',
    message: `${path} is not a terraform that can be run: ${why}`,
    fix: `${INSTALL}, or name another with --terraform`,
    cause,
  });
}

interface Known {
  readonly key: string;
  readonly binary: TerraformBinary;
}

async function readCache(path: string): Promise<Known | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs time, nothing else. */
async function writeCache(path: string, known: Known): Promise<void> {
  try {
    await makePrivateDir(cacheDir());
    await writeWhole(path, JSON.stringify(known));
  } catch {
    // Next time it is asked again.
  }
}
