/** Verifies where the provider is searched for. */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findProvider } from '../../../src/terraform/install/provider.ts';
import { scratchDir, setEnv } from '../scratch.ts';

const PLACE = `dmacvicar/libvirt/0.8.3/linux_amd64/terraform-provider-libvirt_v0.8.3`;
const TERRAFORM = { path: '/no/terraform/is/run', flavor: 'terraform', version: '1.11.4' } as const;

async function machine() {
  const home = await scratchDir();
  setEnv({
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CONFIG_HOME: undefined,
    TF_CLI_CONFIG_FILE: undefined,
    TERRAFORM_CONFIG: undefined,
    TF_PLUGIN_CACHE_DIR: undefined,
  });
  return home;
}

async function put(path: string, text = ''): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode: 0o755 });
  return path;
}

test('the named one comes first', async () => {
  const home = await machine();
  const path = await put(join(home, 'my-provider'));
  await put(join(home, '.terraform.d/plugins/registry.terraform.io', PLACE));
  expect(await findProvider({ path, terraform: TERRAFORM })).toBe(path);
});

test.each([
  ['the mirror in TF_CLI_CONFIG_FILE', 'srv/mirror/registry.terraform.io'],
  ['a mirror made for tofu', 'srv/mirror/registry.opentofu.org'],
  ["Terraform's implied mirror in the home directory", '.terraform.d/plugins/registry.terraform.io'],
  ['our cache', 'cache/caplv/providers/registry.terraform.io'],
])('is found in %s', async (_, mirror) => {
  const home = await machine();
  const rc = await put(
    join(home, 'rc'),
    `provider_installation { filesystem_mirror { path = "${home}/srv/mirror" } }`,
  );
  setEnv({ TF_CLI_CONFIG_FILE: rc });
  const path = await put(join(home, mirror, PLACE));
  expect(await findProvider({ terraform: TERRAFORM })).toBe(path);
});

test('another version does not do: 0.9 is another provider', async () => {
  const home = await machine();
  await put(join(home, '.terraform.d/plugins/registry.terraform.io', PLACE.replaceAll('0.8.3', '0.9.0')));
  await expect(findProvider({ terraform: TERRAFORM })).rejects.toMatchObject({
    code: 'ProviderNotFound',
    fix: expect.stringContaining('0.8.3'),
  });
});

test('a named one that is not there is an error, not a reason to take another', async () => {
  const home = await machine();
  await put(join(home, '.terraform.d/plugins/registry.terraform.io', PLACE));
  await expect(findProvider({ path: '/gone', terraform: TERRAFORM })).rejects.toMatchObject({
    code: 'ProviderNotFound',
    message: expect.stringContaining('/gone'),
  });
});
