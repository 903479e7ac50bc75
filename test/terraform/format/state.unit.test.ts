import { expect, test } from 'vitest';
import { parseState } from '../../../src/terraform/format/state.ts';

const STATE = {
  version: 4,
  terraform_version: '1.11.4',
  serial: 6,
  lineage: '90d2de66-3931-49bd-1e69-394922803e94',
  outputs: {
    id: { value: '/pool/d', type: 'string' },
    token: { value: 'x', type: 'string', sensitive: true },
  },
  resources: [
    { mode: 'data', type: 'libvirt_node_info', name: 'host', instances: [{ attributes: {} }] },
    {
      mode: 'managed',
      type: 'libvirt_volume',
      name: 'data',
      instances: [
        { index_key: 0, attributes: { id: '/pool/d0' } },
        { index_key: 'b', status: 'tainted', attributes: { id: '/pool/db' } },
      ],
    },
    {
      module: 'module.m',
      mode: 'managed',
      type: 'libvirt_pool',
      name: 'p',
      instances: [{ attributes: { id: '1' } }],
    },
  ],
};

test('resources are found under the addresses that terraform itself uses', () => {
  const state = parseState(JSON.stringify(STATE));
  expect(state).toMatchObject({ serial: 6, lineage: STATE.lineage });
  expect(state?.resources.map(({ address, tainted }) => [address, tainted])).toEqual([
    ['libvirt_volume.data[0]', false],
    ['libvirt_volume.data["b"]', true],
    ['module.m.libvirt_pool.p', false],
  ]);
  expect(state?.outputs).toEqual({
    id: { value: '/pool/d', sensitive: false },
    token: { value: 'x', sensitive: true },
  });
});

test('the empty file that terraform makes to lock a new state is no state', () => {
  expect(parseState('')).toBeUndefined();
});
