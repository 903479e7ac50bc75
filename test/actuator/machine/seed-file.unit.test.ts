/** Verifies that seeds with user data are private files, and that the stack refers to them by path. */

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withSeedFile, writeSeed } from '../../../src/actuator/machine/seed-file.ts';
import type { MachineIntent } from '../../../src/intent/hosted-intent.ts';
import { CloudInitSeed } from '../../../src/intent/seed/cloud-init-seed.ts';
import { ignitionMachine, minimalMachine } from '../../stacks/intents.ts';

const seed = new CloudInitSeed('a.seed', 'p', { userData: '#cloud-config\n', metaData: '{}' });
const machine = { ...minimalMachine, seed } as unknown as MachineIntent;

let scratch: string;
let directory: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'seed-'));
  directory = join(scratch, 'seeds');
});

afterEach(() => rm(scratch, { recursive: true }));

test('only its owner can read a seed', async () => {
  const { seed: written } = await writeSeed(machine, directory);
  const source = written?.kind === 'iso' ? written.source : '';
  expect(await readFile(source)).toEqual(seed.content);
  expect((await stat(source)).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect(await readdir(directory)).toHaveLength(1);
});

test('a stack that is made before the file is written is the same as after', async () => {
  const before = withSeedFile(machine, directory);
  expect(await writeSeed(machine, directory)).toEqual(before);
  expect(before.seed).toEqual({
    kind: 'iso',
    volume: seed.volume,
    pool: 'p',
    source: join(directory, seed.volume),
  });
});

test('the text is gone from what Terraform is given', async () => {
  expect(JSON.stringify(await writeSeed(machine, directory))).not.toContain('cloud-config');
});

test('other seeds, and none, are left as they are', async () => {
  expect(await writeSeed(ignitionMachine as MachineIntent, directory)).toEqual(ignitionMachine);
  expect(await writeSeed(minimalMachine as MachineIntent, directory)).toEqual(minimalMachine);
});
