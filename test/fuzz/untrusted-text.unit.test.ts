/**
 * Verifies that generated input of tenants, hosts and API servers never ends the process, blocks it or passes the policy,
 * and that unreadable input is refused with the expected error. `npm run fuzz` does the same with thousands of inputs.
 */

import { expect, it, vi } from 'vitest';
import { runCampaign } from './campaign.ts';
import { READERS } from './readers.ts';

vi.setConfig({ testTimeout: 120_000 });

const SEED = 1;
const RUNS = 15;

it.each(READERS.map((reader) => [reader.name, reader] as const))('%s', async (_, reader) => {
  const { problems, read, refused } = await runCampaign(reader, { runs: RUNS, seed: SEED });
  expect(problems).toEqual([]);
  expect(read + refused).toBe(RUNS);
});
