/** Verifies how state files are read, damaged ones included. */

import { describe, expect, it, test } from 'vitest';
import { parseState, STATE_BYTES, STATE_DEPTH, STATE_VALUES } from '../../../src/terraform/format/state.ts';

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

describe('a state that was changed by hand, or made up', () => {
  const nested = (depth: number) => {
    // Of its own a state has six: itself, resources, resource, instances, instance, attributes.
    const value = `${'['.repeat(depth - 6)}${']'.repeat(depth - 6)}`;
    return JSON.stringify(STATE).replace('"id":"1"', `"id":${value}`);
  };

  it('is read up to a size and a depth', () => {
    const text = JSON.stringify(STATE);
    expect(parseState(text.padEnd(STATE_BYTES))?.serial).toBe(6);
    expect(() => parseState(text.padEnd(STATE_BYTES + 1))).toThrow('are read');
    expect(parseState(nested(STATE_DEPTH))?.serial).toBe(6);
    expect(() => parseState(nested(STATE_DEPTH + 1))).toThrow(
      `more than ${STATE_DEPTH} objects within each other`,
    );
    expect(() => parseState(nested(100_000))).toThrow('within each other');
    expect(() => parseState(`[${'0,'.repeat(STATE_VALUES)}0]`)).toThrow(`more than ${STATE_VALUES} values`);
  });

  it.each([
    ['resources.0', { resources: [null] }],
    ['resources.0.instances', { resources: [{ mode: 'managed', type: 't', name: 'n' }] }],
    [
      'resources.0.instances.0.attributes',
      { resources: [{ mode: 'data', type: 't', name: 'n', instances: [{}] }] },
    ],
    ['resources.0.type', { resources: [{ mode: 'managed', type: {}, name: 'n', instances: [] }] }],
    ['outputs.x', { outputs: { x: null } }],
    ['serial', { serial: 1.5 }],
    ['lineage', { lineage: null }],
  ])('is corrupt, and says that it is in %s', (field, change) => {
    const text = JSON.stringify({ ...STATE, ...change });
    expect(() => parseState(text, 'Secret a/b')).toThrow(
      `the Terraform state in Secret a/b cannot be read: its field ${field} is missing or has a wrong value`,
    );
  });

  it('is corrupt with a message that shows the beginning of a name', () => {
    const text = JSON.stringify({ ...STATE, outputs: { ['n'.repeat(9_000)]: null } });
    expect(() => parseState(text)).toThrow(`outputs.${'n'.repeat(100)}`);
    expect(() => parseState(text)).not.toThrow('n'.repeat(201));
  });

  it.each(['null', '7', '[]', '{"version":{"secret":1}}'])('is corrupt when it is %s', (text) => {
    expect(() => parseState(text)).toThrow('its format has version none, and not 4');
  });
});
