/**
 * What tenants, hosts and API servers send, made up: none of it ends the process, blocks it or passes the policy, and each that cannot be
 * read is refused by the error that its caller expects. This is the beginning of `npm run fuzz`, which makes thousands of each.
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
