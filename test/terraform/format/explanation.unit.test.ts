/** Verifies that the explanation of a plan shows its changes, and no secrets. */

import { expect, test } from 'vitest';
import { explanationsFrom } from '../../../src/terraform/format/explanation.ts';

// Shortened from `terraform show -json` of Terraform 1.11.4.
const SHOWN = JSON.stringify({
  resource_changes: [
    {
      address: 'libvirt_volume.v',
      type: 'libvirt_volume',
      name: 'v',
      change: {
        actions: ['delete', 'create'],
        before: { format: 'raw', id: '/pool/d', size: 2000000, xml: [] },
        after: { format: 'raw', size: 3000000, xml: [] },
        after_unknown: { id: true, xml: [] },
        before_sensitive: { xml: [] },
        after_sensitive: { xml: [] },
        replace_paths: [['size']],
      },
    },
    {
      address: 'libvirt_cloudinit_disk.seed',
      type: 'libvirt_cloudinit_disk',
      name: 'seed',
      change: {
        actions: ['create', 'delete'],
        before: { user_data: 'token: OLD', note: 'HIDDEN' },
        after: { user_data: 'token: NEW', note: 'HIDDEN TOO' },
        after_unknown: {},
        before_sensitive: {},
        after_sensitive: { note: true },
        replace_paths: [['user_data']],
      },
    },
    {
      address: 'libvirt_pool.p',
      type: 'libvirt_pool',
      name: 'p',
      change: { actions: ['no-op'], before: { name: 'p' }, after: { name: 'p' } },
    },
  ],
});

test('says which attributes change, from what to what, and which of them force the replacement', () => {
  const [volume, ...others] = explanationsFrom(SHOWN, new Set());
  expect(volume).toEqual({
    address: 'libvirt_volume.v',
    type: 'libvirt_volume',
    name: 'v',
    action: 'replace',
    replacePaths: ['size'],
    attributes: [
      { name: 'id', before: '/pool/d', unknown: true },
      { name: 'size', before: 2000000, after: 3000000 },
    ],
  });
  expect(others.map(({ address }) => address)).toEqual(['libvirt_cloudinit_disk.seed']);
});

test('user data is shown as changed, never with its value, although the provider does not call it sensitive', () => {
  const explained = explanationsFrom(SHOWN, new Set(['libvirt_cloudinit_disk.user_data']));
  expect(explained[1]?.attributes).toEqual([
    { name: 'note', secret: true },
    { name: 'user_data', secret: true },
  ]);
  expect(JSON.stringify(explained)).not.toMatch(/OLD|NEW|HIDDEN/);
});

test('the token of a signed URL is not shown', () => {
  const change = { actions: ['create'], before: null, after: { source: 'https://a/b.qcow2?X-Token=s3cret' } };
  const text = JSON.stringify({
    resource_changes: [{ address: 'a', type: 'libvirt_volume', name: 'a', change }],
  });
  expect(explanationsFrom(text, new Set())[0]?.attributes).toEqual([
    { name: 'source', after: 'https://a/b.qcow2' },
  ]);
});
