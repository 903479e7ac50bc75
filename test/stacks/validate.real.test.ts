/** Verifies that `terraform validate` accepts the stacks. */

import { expect, test } from 'vitest';
import { synthHost, synthMachine } from '../../stacks/synth.ts';
import { host, ignitionMachine, minimalMachine, richMachine } from './intents.ts';
import { TerraformDirectory } from './terraform-directory.ts';

const implicit = { kind: 'implicit' } as const;
const kubernetes = { kind: 'kubernetes', secretSuffix: 's', namespace: 'n', labels: { a: 'b' } } as const;

test.each([
  ['a machine with nothing but the necessary', synthMachine(minimalMachine, implicit)],
  ['a machine with everything', synthMachine(richMachine, kubernetes)],
  ['an Ignition seed', synthMachine(ignitionMachine, { kind: 'local', path: '/nowhere' })],
  ['a host', synthHost(host, implicit)],
])('terraform accepts %s', async (_name, json) => {
  const directory = await TerraformDirectory.create(json);
  expect(await directory.run('validate')).toContain('Success! The configuration is valid.');
});
