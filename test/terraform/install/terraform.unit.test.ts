/** Verifies how terraform or tofu is found, and its version checked. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findTerraform } from '../../../src/terraform/install/terraform.ts';
import { scratchDir, setEnv } from '../scratch.ts';

/** An executable that answers `version -json` and counts how often it is asked. */
async function install(dir: string, name: string, version: string, title = 'Terraform'): Promise<string> {
  const path = join(dir, name);
  const script = `#!/bin/sh
echo asked >> ${dir}/asked
case "$2" in -json) echo '{"terraform_version": "${version}"}' ;; *) echo "${title} v${version}" ;; esac
`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

async function machine(): Promise<string> {
  const dir = await scratchDir();
  setEnv({ PATH: dir, XDG_CACHE_HOME: join(dir, 'cache') });
  return dir;
}

test('terraform is taken from PATH before tofu', async () => {
  const dir = await machine();
  await install(dir, 'tofu', '1.10.0', 'OpenTofu');
  expect(await findTerraform()).toEqual({ path: join(dir, 'tofu'), flavor: 'tofu', version: '1.10.0' });
  await install(dir, 'terraform', '1.11.4');
  expect(await findTerraform()).toEqual({
    path: join(dir, 'terraform'),
    flavor: 'terraform',
    version: '1.11.4',
  });
});

test('a tofu that is installed as terraform is detected', async () => {
  const dir = await machine();
  await install(dir, 'terraform', '1.10.0', 'OpenTofu');
  expect(await findTerraform()).toMatchObject({ flavor: 'tofu' });
});

test('the version is asked for once, and again only when the file has changed', async () => {
  const dir = await machine();
  await install(dir, 'terraform', '1.11.4');
  await findTerraform();
  const asked = await readFile(join(dir, 'asked'), 'utf8');
  await findTerraform();
  expect(await readFile(join(dir, 'asked'), 'utf8')).toBe(asked);
  await install(dir, 'terraform', '1.12.0-beta');
  expect(await findTerraform()).toMatchObject({ version: '1.12.0-beta' });
});

test('none at all: says what to install', async () => {
  await machine();
  await expect(findTerraform()).rejects.toMatchObject({
    code: 'TerraformNotFound',
    fix: expect.stringContaining('install Terraform ≥ 1.4'),
  });
});

test('too old: says which one, what it is, and what is needed', async () => {
  const dir = await machine();
  await install(dir, 'terraform', '1.3.10');
  await expect(findTerraform()).rejects.toMatchObject({
    code: 'TerraformTooOld',
    message: `${dir}/terraform is terraform 1.3.10, and caplv needs 1.4 or later`,
  });
});

test('a named one that is not there, or is no terraform, is named in the error', async () => {
  const dir = await machine();
  await expect(findTerraform({ path: '/gone' })).rejects.toMatchObject({
    code: 'TerraformNotFound',
    message: expect.stringContaining('/gone'),
  });
  await writeFile(join(dir, 'other'), '#!/bin/sh\necho hello\n', { mode: 0o755 });
  await expect(findTerraform({ path: join(dir, 'other') })).rejects.toMatchObject({
    code: 'TerraformNotFound',
  });
});
