/** Verifies which resources of a state can be compared without a plan. */

import { describe, expect, it } from 'vitest';
import { priorResources } from '../../../src/terraform/verify/prior-resources.ts';

const LIBVIRT = 'provider["registry.terraform.io/dmacvicar/libvirt"]';
const instance = {
  schema_version: 0,
  attributes: { id: '/pool/a', size: 5 },
  sensitive_attributes: [],
  private: 'YQ==',
};
const volume = {
  mode: 'managed',
  type: 'libvirt_volume',
  name: 'root',
  provider: LIBVIRT,
  instances: [instance],
};
const data = {
  mode: 'managed',
  type: 'terraform_data',
  name: 'triggers',
  provider: 'provider["terraform.io/builtin/terraform"]',
  instances: [{ schema_version: 0, attributes: {} }],
};

const state = (...resources: readonly object[]) =>
  JSON.stringify({
    version: 4,
    terraform_version: '1.11.4',
    serial: 3,
    lineage: 'l',
    outputs: {},
    resources,
  });

it('what libvirt has is read, with what the provider put aside; what is in the state alone is not', () => {
  expect(priorResources(state(data, volume))).toEqual([
    {
      type: 'libvirt_volume',
      schemaVersion: 0,
      attributes: '{"id":"/pool/a","size":5}',
      private: Buffer.from('a'),
    },
  ]);
});

describe('a state of which reading would not tell what a plan says:', () => {
  it.each<[string, object]>([
    ['a seed that the provider reads back', { ...volume, type: 'libvirt_cloudinit_disk' }],
    ['Ignition', { ...volume, type: 'libvirt_ignition' }],
    ['a pool', { ...volume, type: 'libvirt_pool' }],
    [
      'a resource of another provider',
      { ...volume, type: 'random_id', provider: 'provider["registry.terraform.io/hashicorp/random"]' },
    ],
    [
      'a volume of another provider',
      { ...volume, provider: 'provider["registry.terraform.io/other/libvirt"]' },
    ],
    ['a provider with an alias', { ...volume, provider: `${LIBVIRT}.other` }],
    ['a data source', { ...volume, mode: 'data' }],
    ['a module', { ...volume, module: 'module.a' }],
    ['several of one', { ...volume, instances: [{ ...instance, index_key: 0 }] }],
    ['what is tainted', { ...volume, instances: [{ ...instance, status: 'tainted' }] }],
    ['what is to be deleted', { ...volume, instances: [instance, { ...instance, deposed: 'abcd1234' }] }],
    [
      'an identity, which a later Terraform sends along',
      { ...volume, instances: [{ ...instance, identity: { id: 'a' } }] },
    ],
  ])('%s', (_, resource) => {
    expect(() => priorResources(state(resource))).not.toThrow();
    expect(priorResources(state(volume, resource))).toBeUndefined();
  });

  it('none', () => {
    expect(priorResources('')).toBeUndefined();
  });

  it('one that may have further parts', () => {
    const large = { ...instance, attributes: { id: 'a', xslt: 'x'.repeat(600_000) } };
    expect(priorResources(state({ ...volume, instances: [large] }))).toBeUndefined();
  });
});
