import { expect, test } from 'vitest';
import { toText } from '../../stacks/json.ts';
import { synthHost } from '../../stacks/synth.ts';
import { host } from './intents.ts';

// A changed snapshot changes hosts that exist: see with a plan what it does to them.
test('networks, pools and images of a host', async () => {
  await expect(toText(synthHost(host, { kind: 'implicit' }))).toMatchFileSnapshot(
    'snapshots/host.tf.json.snap',
  );
});

test('the same intent gives the same bytes, whatever the order of its lists', () => {
  const shuffled = { ...host, networks: host.networks.toReversed(), images: host.images.toReversed() };
  expect(toText(synthHost(shuffled, { kind: 'implicit' }))).toBe(
    toText(synthHost(host, { kind: 'implicit' })),
  );
});
