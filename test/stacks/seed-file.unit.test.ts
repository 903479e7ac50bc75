import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MachineIntent } from '../../stacks/intent.ts';
import { writeSeed } from '../../stacks/seed-file.ts';
import { seedIso } from '../../stacks/seed-iso.ts';
import { ignitionMachine, minimalMachine } from './intents.ts';

const seed = {
  kind: 'cloudinit',
  volume: 'a.seed',
  pool: 'p',
  userData: '#cloud-config\n',
  metaData: '{}',
} as const;
const machine: MachineIntent = { ...minimalMachine, seed };

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
  expect(await readFile(source)).toEqual(seedIso(seed));
  expect((await stat(source)).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect(await readdir(directory)).toHaveLength(1);
});

test('other content is another volume, the same content the same, wherever the file lies', async () => {
  const volume = async (userData: string, where: string) =>
    (await writeSeed({ ...machine, seed: { ...seed, userData } }, join(scratch, where))).seed?.volume;
  const first = await volume('one', 'here');
  expect(first).toMatch(/^a\.seed-[0-9a-f]{16}$/);
  expect(await volume('one', 'there')).toBe(first);
  expect(await volume('two', 'here')).not.toBe(first);
});

test('the text is gone from what Terraform is given', async () => {
  expect(JSON.stringify(await writeSeed(machine, directory))).not.toContain('cloud-config');
});

test('other seeds, and none, are left as they are', async () => {
  expect(await writeSeed(ignitionMachine, directory)).toEqual(ignitionMachine);
  expect(await writeSeed(minimalMachine, directory)).toEqual(minimalMachine);
});
