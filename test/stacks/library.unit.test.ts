/** Verifies that the stacks and their bindings load the same CDKTF library. */

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { synthMachine } from '../../stacks/synth.ts';
import { minimalMachine } from './intents.ts';

// Without this, the run against cdktn (vitest.cdktn.config.ts) could pass on cdktf.
test('the stacks, and the bindings below them, load one library: the one that this run is about', () => {
  synthMachine(minimalMachine, { kind: 'implicit' });
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  const libraries = loaded.flatMap((path) => /node_modules\/(cdkt[fn])\/lib\//.exec(path)?.[1] ?? []);
  expect([...new Set(libraries)]).toEqual([process.env['CAPLV_TEST_CDK'] ?? 'cdktf']);
});
