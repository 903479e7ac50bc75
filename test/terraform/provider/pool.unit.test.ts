/** Verifies how long warm providers are kept. */

import { expect, test } from 'vitest';
import { ProviderPool } from '../../../src/terraform/provider/pool.ts';
import { scratchDir, setEnv } from '../scratch.ts';
import { fakeProvider } from './fake-provider.ts';

test('a provider that no run asks for ends, and the next run gets another', async () => {
  const dir = await scratchDir();
  setEnv({ TMPDIR: dir });
  const executable = await fakeProvider(dir);
  const providers = new ProviderPool(async () => executable, { idleMs: 20 });
  const first = await providers.get('a');
  await first.ended;
  expect(providers.size).toBe(0);
  const second = await providers.get('a');
  expect([second.alive, second === first]).toEqual([true, false]);
  await second.ended;
  // It was not lost.
  expect(providers.restarts).toBe(0);
});

test('a provider is kept for as long as a run uses it', async () => {
  const dir = await scratchDir();
  setEnv({ TMPDIR: dir });
  const executable = await fakeProvider(dir);
  const providers = new ProviderPool(async () => executable, { idleMs: 20 });
  const busy = await providers.get('busy');
  const entry = await busy.enter();
  await (await providers.get('idle')).ended;
  await (await providers.get('idle')).ended;
  expect([busy.alive, await providers.get('busy')]).toEqual([true, busy]);
  entry.leave();
  await busy.ended;
});
