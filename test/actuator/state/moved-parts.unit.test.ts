/** Verifies which networks and pools leave a state for another management cluster, and what is believed of those that come. */

import { describe, expect, it } from 'vitest';
import { goneParts, readHandedOver } from '../../../src/actuator/state/handed-over.ts';
import {
  movedParts,
  objectsNamed,
  readMovedParts,
  stateOf,
} from '../../../src/actuator/state/moved-parts.ts';
import type { HostIntent } from '../../../src/intent/hosted-intent.ts';
import type { AllowedHost } from '../../../src/system/allowed-host.ts';
import { parseState } from '../../../src/terraform/format/state.ts';
import { objectsOfHost } from '../../../stacks/import-stack.ts';
import { resourceId } from '../../../stacks/resource-id.ts';

const NETWORK = resourceId('network', 'own');
const POOL = resourceId('pool', 'own');
const SHAPE = resourceId('shape', 'own');
const NAMES = { networks: ['own'], pools: ['own'] };

const resource = (type: string, name: string, id: string, more: object = {}) => ({
  mode: 'managed',
  type,
  name,
  provider: 'provider["registry.terraform.io/dmacvicar/libvirt"]',
  instances: [{ schema_version: 0, attributes: { id, name: 'own' }, ...more }],
});

const state = (...resources: object[]) =>
  JSON.stringify({
    version: 4,
    terraform_version: '1.11.4',
    serial: 7,
    lineage: 'l',
    outputs: {},
    resources,
  });

const OWN = [
  resource('libvirt_network', NETWORK, 'uuid-n'),
  resource('terraform_data', SHAPE, 'shape'),
  resource('libvirt_pool', POOL, 'uuid-p'),
];
const OTHERS = [
  resource('libvirt_network', resourceId('network', 'others'), 'uuid-o'),
  resource('terraform_data', resourceId('shape', 'others'), 'shape'),
];

/** What is on the host. */
const there = objectsNamed(NAMES).map((one) => ({
  ...one,
  id: one.type === 'libvirt_network' ? 'uuid-n' : 'uuid-p',
}));

const addresses = (resources: readonly { readonly type: string; readonly name: string }[]) =>
  resources.map(({ type, name }) => `${type}.${name}`).sort();

const ALL = [`libvirt_network.${NETWORK}`, `libvirt_pool.${POOL}`, `terraform_data.${SHAPE}`];

describe('what moves', () => {
  it('is what the state has of those names, and what a network is replaced with', () => {
    const text = movedParts(state(...OWN, ...OTHERS), objectsNamed(NAMES)) ?? '';
    expect(addresses(readMovedParts(text, there))).toEqual(ALL);
    const parsed = parseState(stateOf(readMovedParts(text, there), 'l'));
    expect(addresses(parsed?.resources ?? [])).toEqual(ALL);
    expect(parsed?.providers).toHaveLength(2);
  });

  it.each([
    ['no state', ''],
    ['a state of others', state(...OTHERS)],
  ])('is nothing of %s', (_, text) => {
    expect(movedParts(text, objectsNamed(NAMES))).toBeUndefined();
  });
});

describe('a moved record takes over no resource', () => {
  const taken = (...resources: object[]) => addresses(readMovedParts(JSON.stringify(resources), there));

  it.each<[string, object[]]>([
    ['that is another one than the one on the host', [resource('libvirt_network', NETWORK, 'uuid-x')]],
    ['of another name', [resource('libvirt_network', resourceId('network', 'others'), 'uuid-n')]],
    ['of another type', [resource('libvirt_domain', NETWORK, 'uuid-n')]],
    ['without its network', [resource('terraform_data', SHAPE, 'shape')]],
    ['of several instances', [{ ...OWN[0], instances: [OWN[0]?.instances[0], OWN[0]?.instances[0]] }]],
  ])('%s', (_, resources) => {
    expect(taken(...resources)).toEqual([]);
  });

  it('of a provider or an object that is to be destroyed along', () => {
    const forged = resource('libvirt_network', NETWORK, 'uuid-n', { deposed: '01234567', status: 'tainted' });
    const text = JSON.stringify([{ ...forged, provider: 'provider["registry.terraform.io/evil/evil"]' }]);
    const whole = stateOf(readMovedParts(text, there), 'l');
    expect(whole).not.toMatch(/evil|deposed|tainted/);
    expect(addresses(parseState(whole)?.resources ?? [])).toEqual([`libvirt_network.${NETWORK}`]);
  });

  it.each(['', 'no JSON', '{}', '[1]'])('in %j', (text) => {
    expect(readMovedParts(text, there)).toEqual([]);
  });
});

describe('a part that was handed over is forgotten', () => {
  const intent = (wanted: typeof NAMES, clusters?: string[]): HostIntent =>
    ({
      uri: 'qemu:///system' as AllowedHost,
      networks: wanted.networks.map((name) => ({ name })),
      pools: wanted.pools.map((name) => ({ name })),
      images: [],
      ...(clusters && { clusters }),
    }) as unknown as HostIntent;
  const resources = parseState(state(...OWN, ...OTHERS))?.resources ?? [];
  const noted = { 'uuid-n': 'one', 'uuid-p': 'one' };
  const gone = (wanted: HostIntent) => addresses(goneParts(resources, noted, wanted));
  const both = addresses(objectsOfHost(intent(NAMES)));

  it('once its Cluster is gone', () => {
    expect(gone(intent({ networks: [], pools: [] }, []))).toEqual(both);
  });

  it('also if another Cluster wants it, which does not get it', () => {
    expect(gone(intent(NAMES, ['another']))).toEqual(both);
  });

  it('and not while its Cluster is there and wants it', () => {
    expect(gone(intent(NAMES, ['one', 'another']))).toEqual([]);
    expect(gone(intent(NAMES))).toEqual([]);
  });

  it('and is none of a note that cannot be read', () => {
    for (const note of [undefined, 'no JSON', '[]', '{"a": 1}']) expect(readHandedOver(note)).toEqual({});
  });
});
