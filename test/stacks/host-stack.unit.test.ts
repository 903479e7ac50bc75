/** Verifies the Terraform JSON of a host's networks, pools and images. */

import { expect, test } from 'vitest';
import { emptyStack } from '../../stacks/empty-stack.ts';
import { objectsOfHost } from '../../stacks/import-stack.ts';
import { toText } from '../../stacks/json.ts';
import { synthHost } from '../../stacks/synth.ts';
import { host } from './intents.ts';

// A changed snapshot changes hosts that exist: see with a plan what it does to them.
test('networks, pools and images of a host', async () => {
  await expect(toText(synthHost(host, { kind: 'implicit' }))).toMatchFileSnapshot(
    'snapshots/host.tf.json.snap',
  );
});

test('an image whose file is named like a template of Terraform is read from that file', () => {
  const image = { volume: 'a', pool: 'default', source: '/images/%{ if x }${y}.qcow2' };
  const { resource } = synthHost(
    { ...host, networks: [], pools: [], images: [image] },
    { kind: 'implicit' },
  ) as {
    resource: { libvirt_volume: Record<string, { source: string }> };
  };
  const [volume] = Object.values(resource.libvirt_volume);
  expect(volume?.source).toBe('/images/%25{ if x }$${y}.qcow2');
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

// What is missing in the list would never come back into a state that was lost.
test('all that the stack makes in libvirt is in the list by which a lost state is found out', () => {
  const { resource } = synthHost(host, { kind: 'implicit' }) as {
    resource: Record<string, Record<string, { name: string; pool?: string }>>;
  };
  const made = Object.entries(resource).flatMap(([type, named]) =>
    Object.entries(named).map(([name, { name: object, pool }]) => ({
      type,
      name,
      object,
      ...(pool && { pool }),
    })),
  );
  const inLibvirt = made.filter(({ type }) => type !== 'terraform_data');
  const sorted = (all: readonly { readonly type: string; readonly name: string }[]) =>
    all.toSorted((a, b) => `${a.type}.${a.name}`.localeCompare(`${b.type}.${b.name}`));
  expect(sorted(objectsOfHost(host))).toEqual(sorted(inLibvirt));
});

test('an object that has to stay unchanged has no attribute that would change or replace it', () => {
  const asIs = { networks: host.networks.map(({ name }) => name), pools: host.pools.map(({ name }) => name) };
  const { resource } = synthHost({ ...host, asIs, images: [] }, { kind: 'implicit' }) as {
    resource: Record<string, Record<string, { lifecycle?: object }>>;
  };
  const lifecycles = Object.values(resource).flatMap((named) =>
    Object.values(named).map((one) => one.lifecycle),
  );
  expect(new Set(lifecycles.map((one) => JSON.stringify(one)))).toEqual(
    new Set(['{"ignore_changes":"all"}']),
  );
});
