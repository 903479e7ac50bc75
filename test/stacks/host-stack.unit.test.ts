import { expect, test } from 'vitest';
import { emptyStack } from '../../stacks/empty-stack.ts';
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

test.each([
  { kind: 'implicit' as const },
  { kind: 'local' as const, path: '/state' },
  { kind: 'kubernetes' as const, secretSuffix: 'x', namespace: 'default', labels: { a: 'b' } },
])('the stack that destroys is what cdktf makes of nothing: backend $kind', (backend) => {
  const uri = 'qemu+ssh://root@${host}/system';
  const nothing = { uri, networks: [], pools: [], images: [] };
  expect(toText(emptyStack(uri, backend))).toBe(toText(synthHost(nothing, backend)));
});
