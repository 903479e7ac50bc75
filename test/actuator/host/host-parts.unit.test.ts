/** Verifies that the networks and pools of other objects neither fail a run nor are changed by it. */

import { describe, expect, test } from 'vitest';
import {
  addressesOf,
  appliedAfter,
  hashesOf,
  isActive,
  type PartsAsk,
  partsOfRun,
  readApplied,
  replacementId,
} from '../../../src/actuator/host/host-parts.ts';
import { type HostIntent, NO_PARTS } from '../../../src/intent/hosted-intent.ts';
import type { HostFacts } from '../../../src/libvirt/host-facts.ts';
import type { StackObject } from '../../../stacks/import-stack.ts';
import { hostAt } from '../../lab/host-uri.ts';

const network = (name: string, address = '10.0.0.0/24') =>
  ({ name, mode: 'nat', addresses: [address], dhcp: true, autostart: true }) as const;
const pool = (name: string) => ({ name, path: `/pools/${name}` });
const wanted: HostIntent = {
  uri: hostAt('qemu:///system'),
  networks: [network('mine'), network('theirs')],
  pools: [pool('mine'), pool('theirs')],
  images: [{ pool: 'mine', volume: 'image', source: '/image' }],
};
const object = (type: StackObject['type'], name: string): StackObject => ({ type, name, object: name });
const all = ['mine', 'theirs'].flatMap((name) => [
  object('libvirt_network', name),
  object('libvirt_pool', name),
]);
const mine = { networks: ['mine'], pools: ['mine'] };

const names = ({ networks, pools, asIs }: HostIntent) => ({
  networks: networks.map(({ name }) => name),
  pools: pools.map(({ name }) => name),
  asIs,
});

describe('the configuration of a run', () => {
  const rows: readonly (readonly [string, Partial<PartsAsk>, readonly StackObject[], object])[] = [
    [
      'of a Cluster on an empty host has only what is its own',
      { apply: mine },
      [],
      { ...mine, asIs: undefined },
    ],
    [
      'of a Cluster leaves what stands of others as it is, and changes its own',
      { apply: mine },
      all,
      {
        networks: ['mine', 'theirs'],
        pools: ['mine', 'theirs'],
        asIs: { networks: ['theirs'], pools: ['theirs'] },
      },
    ],
    [
      'of a Cluster leaves out what others want and is not there: it may well not be possible',
      { apply: mine },
      all.filter(({ object: name, type }) => name === 'mine' || type === 'libvirt_pool'),
      { networks: ['mine'], pools: ['mine', 'theirs'], asIs: { networks: [], pools: ['theirs'] } },
    ],
    [
      'of a Machine makes what it lacks, and leaves the rest as it is',
      { need: mine },
      all.filter((one) => one !== all[0]),
      {
        networks: ['mine', 'theirs'],
        pools: ['mine', 'theirs'],
        asIs: { networks: ['theirs'], pools: ['mine', 'theirs'] },
      },
    ],
    [
      'of who lets go makes nothing',
      {},
      all.filter(({ object: name }) => name === 'theirs'),
      { networks: ['theirs'], pools: ['theirs'], asIs: { networks: ['theirs'], pools: ['theirs'] } },
    ],
    ['of who lets go is empty on an empty host', {}, [], { networks: [], pools: [], asIs: undefined }],
  ];
  test.each(rows)('%s', (_, ask, standing, expected) => {
    const { config } = partsOfRun(wanted, { apply: NO_PARTS, need: NO_PARTS, ...ask }, standing);
    expect(names(config)).toEqual(expected);
    expect(config.images).toEqual([]);
  });
});

describe('the note of what was applied', () => {
  const made = { ...wanted, networks: [network('mine')], pools: [], images: [] };
  const config = { ...wanted, images: [] };

  test('has the hash of what was made, and what was known of the rest', () => {
    const hashes = hashesOf(wanted);
    const after = appliedAfter({ 'libvirt_pool.pool_theirs': 'before' }, { made, config });
    expect(after).toEqual({
      'libvirt_network.network_mine': hashes['libvirt_network.network_mine'],
      'libvirt_network.network_theirs': 'as it is',
      'libvirt_pool.pool_mine': 'as it is',
      'libvirt_pool.pool_theirs': 'before',
    });
  });

  test('says nothing of what failed', () => {
    const failed = new Set(['libvirt_network.network_mine']);
    expect(Object.keys(appliedAfter({}, { made, config }, failed))).not.toContain(
      'libvirt_network.network_mine',
    );
  });

  test.each([undefined, '', 'a3f0', 'null', '[1'])('that says nothing of parts (%j) is none', (note) => {
    expect(readApplied(note)).toEqual({});
  });
});

test('a network or pool counts only while it is active', () => {
  const facts = (active: boolean) =>
    ({
      networks: [{ name: 'mine', active }],
      pools: [{ name: 'mine', active: true }],
    }) as unknown as HostFacts;
  const intent = {
    uri: hostAt('qemu+ssh://a/system'),
    networks: [network('mine')],
    pools: [pool('mine')],
    images: [],
  };
  expect([isActive(intent, facts(true)), isActive(intent, facts(false))]).toEqual([true, false]);
});

describe('the id by which a replacement is approved', () => {
  const address = 'libvirt_network.network_mine';
  const id = replacementId(wanted, [address]);

  test('is the same on another host, and whatever others want', () => {
    const elsewhere = {
      ...wanted,
      uri: hostAt('qemu+ssh://b/system'),
      networks: [network('mine')],
      pools: [],
    };
    expect(replacementId(elsewhere, [address])).toBe(id);
  });

  test('is another one for another change, and for more that is replaced', () => {
    const changed = { ...wanted, networks: [network('mine', '10.0.1.0/24')] };
    expect(replacementId(changed, [address])).not.toBe(id);
    expect(replacementId(wanted, [address, 'libvirt_pool.pool_mine'])).not.toBe(id);
  });
});

test('a failure of the shape of a network is one of that network', () => {
  expect(addressesOf({ ...wanted, pools: [], networks: [network('mine')], images: [] })).toEqual(
    new Set(['libvirt_network.network_mine', 'terraform_data.shape_mine']),
  );
});
