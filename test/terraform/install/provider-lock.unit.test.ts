/** Verifies that a provider is accepted by its hash. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockedHashes, packageHash, requireLocked } from '../../../src/terraform/install/provider-lock.ts';
import { scratchDir } from '../scratch.ts';

const PROVIDER = { name: 'dmacvicar/libvirt', version: '0.8.3' };

function lockOf(hash: string, { name = PROVIDER.name, version = PROVIDER.version } = {}): string {
  return `# Made by terraform init.\n\nprovider "registry.terraform.io/${name}" {\n  version     = "${version}"\n  hashes = [\n    "${hash}",\n    "zh:00",\n  ]\n}\n`;
}

it('the hash is that of names and contents, as sha256sum of sha256sum gives it', async () => {
  const directory = await scratchDir();
  await writeFile(join(directory, 'b'), 'two');
  await writeFile(join(directory, 'a'), 'one');
  await mkdir(join(directory, 'c'));
  await writeFile(join(directory, 'c', 'd'), '');
  // find * -type f | sort | xargs sha256sum | sha256sum | xxd -r -p | base64
  expect(await packageHash(directory)).toBe('h1:TDLeYZuCqDIY7xxpTgzjJlWBGwf4CZv4Me8bggnjqbY=');
});

it.each([
  ['of the version', lockOf('h1:a'), ['h1:a']],
  ['of another version', lockOf('h1:a', { version: '0.9.0' }), []],
  ['of another provider', lockOf('h1:a', { name: 'somebody/libvirt' }), []],
  [
    'of two registries',
    lockOf('h1:a') + lockOf('h1:b').replace('terraform.io', 'opentofu.org'),
    ['h1:a', 'h1:b'],
  ],
  ['without a provider', '', []],
])('a lock file %s', (_, text, hashes) => {
  expect(lockedHashes(text, PROVIDER)).toEqual(hashes);
});

it('a provider is accepted by its hash alone', async () => {
  const directory = await scratchDir();
  const executable = join(directory, 'terraform-provider-libvirt_v0.8.3');
  await writeFile(executable, 'program');
  const lockFile = join(await scratchDir(), '.terraform.lock.hcl');
  await expect(requireLocked(executable, lockFile, PROVIDER)).rejects.toMatchObject({
    code: 'ProviderNotFound',
  });
  await writeFile(lockFile, lockOf(await packageHash(directory)));
  await expect(requireLocked(executable, lockFile, PROVIDER)).resolves.toBeUndefined();
  await writeFile(executable, 'another program');
  await expect(requireLocked(executable, lockFile, PROVIDER)).rejects.toMatchObject({
    code: 'ProviderNotFound',
    message: expect.stringContaining('not in the lock file'),
  });
});
