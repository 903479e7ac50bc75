/** Verifies when a workspace needs `terraform init`. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needsInit } from '../../src/terraform/init.ts';
import type { ProviderProcess } from '../../src/terraform/provider/process.ts';
import { scratchDir } from './scratch.ts';

/** Only whether there is one matters here. */
const WARM = {} as ProviderProcess;

test('a warm provider and a state in the directory need no init at all', async () => {
  expect(await needsInit({ dir: await scratchDir() }, WARM)).toBe(false);
});

test('a forked provider is installed once for each directory', async () => {
  const dir = await scratchDir();
  expect(await needsInit({ dir }, undefined)).toBe(true);
  await mkdir(join(dir, '.terraform/providers'), { recursive: true });
  await writeFile(join(dir, '.terraform.lock.hcl'), '');
  expect(await needsInit({ dir }, undefined)).toBe(false);
});

test('one init serves all machines that keep their state in the cluster', async () => {
  const root = await scratchDir();
  const dataDir = join(root, 'data');
  const machine = (name: string) => ({
    dir: join(root, name),
    kubernetes: {
      workspace: name,
      dataDir,
      env: {},
      readState: async () => '',
      forgetState: () => {},
      readLock: async () => '',
      place: 'here',
    },
  });
  expect(await needsInit(machine('a'), WARM)).toBe(true);
  await mkdir(dataDir);
  await writeFile(join(dataDir, 'terraform.tfstate'), '{}');
  expect(await needsInit(machine('a'), WARM)).toBe(false);
  expect(await needsInit(machine('b'), WARM)).toBe(false);
});
