/** Provides the libvirt provider for labs. */

import { existsSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory, cached } from './cache.ts';
import { findGo, goBuild } from './go-build.ts';

const VERSION = '0.8.3';
const MODULE = 'github.com/dmacvicar/terraform-provider-libvirt';
/** As Terraform and OpenTofu resolve `dmacvicar/libvirt`. */
const ADDRESSES = ['registry.terraform.io/dmacvicar/libvirt', 'registry.opentofu.org/dmacvicar/libvirt'];
const PACKAGE = `${VERSION}/linux_amd64`;
const BINARY = `terraform-provider-libvirt_v${VERSION}`;
const REGISTRY_TIMEOUT = '10';

/** Terraform CLI configuration that names the mirror in the cache. */
export function terraformrcPath(): string {
  return join(cacheDirectory(), 'terraformrc');
}

/**
 * Puts the provider into a filesystem mirror in the cache and writes the CLI configuration that names it. Taken from a
 * mirror that the machine has, else from the public registry, else built with Go.
 */
export async function provideProvider(terraform: string, progress: (line: string) => void): Promise<void> {
  const mirror = await cached(`provider-libvirt/${VERSION}`, async (directory) => {
    const binary = join(directory, BINARY);
    await obtain(binary, terraform, progress);
    await chmod(binary, 0o755);
    for (const address of ADDRESSES) {
      await mkdir(join(directory, 'mirror', address, PACKAGE), { recursive: true });
      await link(binary, join(directory, 'mirror', address, PACKAGE, BINARY));
    }
    await rm(binary);
  });
  const configuration = terraformrc(join(mirror, 'mirror'));
  const current = await readFile(terraformrcPath(), 'utf8').catch(() => '');
  if (current !== configuration) await writeFile(terraformrcPath(), configuration);
}

/** Other providers still come from their registry, where there is one to reach. */
function terraformrc(mirror: string): string {
  const addresses = JSON.stringify(ADDRESSES);
  return `disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path    = ${JSON.stringify(mirror)}
    include = ${addresses}
  }
  direct {
    exclude = ${addresses}
  }
}
`;
}

async function obtain(binary: string, terraform: string, progress: (line: string) => void): Promise<void> {
  const present = await findInMirrors();
  if (present) {
    progress(`taking the libvirt provider ${VERSION} from ${present}`);
    return copyFile(present, binary);
  }
  progress(`fetching the libvirt provider ${VERSION} from the Terraform registry`);
  const refusal = await installFromRegistry(binary, terraform);
  if (!refusal) return;
  const go = await findGo();
  if (!go) {
    throw new Error(
      `the libvirt provider ${VERSION} cannot be had from the registry:\n${refusal}\n` +
        'and there is no Go >= 1.21 to build it. Either make registry.terraform.io reachable, or put the provider into a ' +
        'filesystem mirror and name its CLI configuration in TF_CLI_CONFIG_FILE, or install Go from https://go.dev/dl.',
    );
  }
  progress('the registry is out of reach: building the provider with Go (a minute or more)');
  await goBuild({ go, directory: join(import.meta.dirname, 'provider'), target: MODULE, output: binary });
}

/** An unpacked provider in a mirror that the CLI configuration names, or in one of Terraform's implied ones. */
async function findInMirrors(): Promise<string | undefined> {
  const file = process.env['TF_CLI_CONFIG_FILE'] || join(homedir(), '.terraformrc');
  const configuration = await readFile(file, 'utf8').catch(() => '');
  const named = [...configuration.matchAll(/filesystem_mirror\s*\{[^}]*?\bpath\s*=\s*"([^"]+)"/g)].map(
    (match) => match[1] ?? '',
  );
  const implied = [join(homedir(), '.terraform.d/plugins'), '/usr/local/share/terraform/plugins'];
  for (const mirror of [...named, ...implied]) {
    for (const address of ADDRESSES) {
      const directory = join(mirror, address, PACKAGE);
      const names = await readdir(directory).catch(() => []);
      const name = names.find((candidate) => candidate.startsWith('terraform-provider-libvirt'));
      if (name) return join(directory, name);
    }
  }
  return undefined;
}

/** Lets terraform do it, which checks the signature. Returns its complaint if it cannot. */
async function installFromRegistry(binary: string, terraform: string): Promise<string | undefined> {
  const directory = `${binary}.init`;
  await mkdir(directory);
  await writeFile(join(directory, 'empty.tfrc'), 'disable_checkpoint = true\n');
  await writeFile(
    join(directory, 'main.tf'),
    `terraform {
  required_providers {
    libvirt = {
      source  = "dmacvicar/libvirt"
      version = "${VERSION}"
    }
  }
}
`,
  );
  try {
    const init = await execa(terraform, ['init', '-no-color', '-input=false', '-backend=false'], {
      cwd: directory,
      reject: false,
      all: true,
      stdin: 'ignore',
      env: {
        TF_CLI_CONFIG_FILE: join(directory, 'empty.tfrc'),
        TF_REGISTRY_CLIENT_TIMEOUT: REGISTRY_TIMEOUT,
        TF_REGISTRY_DISCOVERY_RETRY: '0',
        CHECKPOINT_DISABLE: '1',
      },
    });
    if (init.failed) return init.all;
    for (const address of ADDRESSES) {
      const installed = join(directory, '.terraform/providers', address, PACKAGE, BINARY);
      if (existsSync(installed)) await copyFile(installed, binary);
    }
    return undefined;
  } finally {
    await rm(directory, { recursive: true });
  }
}
