/** Verifies that a provider is asked directly for the resources of a machine. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProviderPool } from '../../../src/terraform/provider/pool.ts';
import { NoAnswerError } from '../../../src/terraform/provider/protocol/grpc-channel.ts';
import { ResourceReader } from '../../../src/terraform/verify/resource-reader.ts';
import { hostAt } from '../../lab/host-uri.ts';
import { AnsweringProvider } from '../provider/answering-provider.ts';

const URI = hostAt('qemu:///system');
const RESOURCE = { type: 'libvirt_volume', state: Buffer.from([0xc0]), private: Buffer.alloc(0) };

let directory: string;
let provider: AnsweringProvider;
let providers: ProviderPool;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-reader-'));
  provider = await AnsweringProvider.in(directory);
  providers = new ProviderPool(async () => provider.path);
});

afterEach(async () => {
  await providers.close();
  await rm(directory, { recursive: true });
});

function reader(timeoutMs = 10_000): ResourceReader {
  const binary = async () => ({ path: provider.path, flavor: 'terraform' as const, version: '1.11.4' });
  return new ResourceReader({ binary, providerMode: 'warm', providers, timeoutMs });
}

it('the same answers give the same digest, also of a provider that was started anew', async () => {
  const first = await reader().read(URI, [RESOURCE]);
  expect(await reader().read(URI, [RESOURCE])).toEqual(first);
  await providers.restart(URI);
  const one = reader();
  expect(await one.read(URI, [RESOURCE])).toEqual(first);
  await providers.restart(URI);
  // It has to connect the new one itself.
  expect(await one.read(URI, [RESOURCE])).toEqual(first);
  expect((await one.read(URI, [RESOURCE, RESOURCE])).answers).not.toBe(first.answers);
});

it('another terraform in the same place gives another digest', async () => {
  const one = reader();
  const first = await one.read(URI, [RESOURCE]);
  await rm(provider.path);
  await provider.write();
  expect((await one.read(URI, [RESOURCE])).programs).not.toBe(first.programs);
});

it('a provider that does not answer is ended, and the next read has a new one', async () => {
  const one = reader(300);
  await provider.answer('silence');
  const host = await providers.get(URI);
  await expect(one.read(URI, [RESOURCE])).rejects.toThrow(NoAnswerError);
  await host.ended;
  await provider.answer('as it was made');
  await expect(one.read(URI, [RESOURCE])).resolves.toBeDefined();
});

it('reads that come at once share one connection, and wait until it is there', async () => {
  const one = reader();
  const all = await Promise.all(Array.from({ length: 5 }, () => one.read(URI, [RESOURCE])));
  expect(new Set(all.map(({ answers }) => answers)).size).toBe(1);
  expect((await providers.get(URI)).isBusy).toBe(false);
});
