/** Verifies that a state which names the objects of others is refused, so that no destroy reaches them. */

import { describe, expect, it } from 'vitest';
import type { ActuatorOptions } from '../../../src/actuator/context/options.ts';
import { refuseForeignState } from '../../../src/actuator/state/ownership.ts';
import { domainName, volumeName } from '../../../src/intent/names.ts';
import { parseState } from '../../../src/terraform/format/state.ts';
import { hostAt } from '../../lab/host-uri.ts';

const own = { namespace: 'team-a', name: 'web', uid: '5e6a1f2c-0000-4000-8000-000000000001' };
const other = { namespace: 'team-b', name: 'db', uid: '5e6a1f2c-0000-4000-8000-000000000002' };
const machine = { ...own, uri: hostAt('qemu:///system') };

/** The domains of a host, as libvirt would answer. */
const domains = [
  { uuid: 'own-uuid', name: domainName(own), description: `caplv machine team-a/web uid ${own.uid}` },
  { uuid: 'other-uuid', name: domainName(other), description: `caplv machine team-b/db uid ${other.uid}` },
  { uuid: 'hand-made', name: 'by-hand', description: '' },
];

function options(trustsStates = false): ActuatorOptions {
  const libvirt = {
    domain: async (name: string) => domains.find((domain) => domain.name === name),
    domains: async () => domains,
  };
  return { trustsStates, libvirt: () => libvirt } as unknown as ActuatorOptions;
}

function stateWith(type: string, attributes: object) {
  const resource = { mode: 'managed', type, name: 'x', instances: [{ attributes }] };
  return parseState(
    JSON.stringify({ version: 4, serial: 1, lineage: 'a', outputs: {}, resources: [resource] }),
  );
}

const CASES: readonly [string, string, object, boolean][] = [
  ['its own domain', 'libvirt_domain', { id: 'own-uuid' }, true],
  ['a domain that no longer exists', 'libvirt_domain', { id: 'gone' }, true],
  ['the domain of another tenant', 'libvirt_domain', { id: 'other-uuid' }, false],
  ['a domain that somebody defined by hand', 'libvirt_domain', { id: 'hand-made' }, false],
  ['its own root disk', 'libvirt_volume', { id: `/pool/${volumeName(own, 'root.qcow2')}` }, true],
  [
    'the root disk of another tenant',
    'libvirt_volume',
    { id: `/pool/${volumeName(other, 'root.qcow2')}` },
    false,
  ],
  ['an image that all machines share', 'libvirt_volume', { id: '/pool/base-0123456789' }, false],
  [
    'a disk of another tenant under a false name',
    'libvirt_volume',
    { id: `/pool/${volumeName(other, 'root.qcow2')}`, name: `${volumeName(own, 'root.qcow2')}` },
    false,
  ],
  [
    'the seed of another tenant',
    'libvirt_cloudinit_disk',
    { id: `/pool/${volumeName(other, 'seed.iso')};1` },
    false,
  ],
  [
    'a disk of another tenant in Ceph under a false name',
    'libvirt_volume',
    { id: `rbd/${volumeName(other, 'root.qcow2')}`, name: `${volumeName(own, 'root.qcow2')}` },
    false,
  ],
  [
    'its own disk in a volume group',
    'libvirt_volume',
    { id: 'a2b1-UUID', name: volumeName(own, 'root.qcow2') },
    true,
  ],
  ['a network', 'libvirt_network', { id: 'network-uuid' }, false],
  ['data of terraform alone', 'terraform_data', { id: 'x' }, true],
];

describe.each(CASES)('the state of a machine that names %s', (_what, type, attributes, isAllowed) => {
  const check = (trusts: boolean) =>
    refuseForeignState(options(trusts), machine, stateWith(type, attributes));

  it(isAllowed ? 'is used' : 'is refused, so that no destroy reaches what belongs to others', async () => {
    if (isAllowed) await expect(check(false)).resolves.toBeUndefined();
    else await expect(check(false)).rejects.toMatchObject({ code: 'NotOwned', fix: expect.any(String) });
  });

  it('is used where only the user who runs caplv can write states', async () => {
    await expect(check(true)).resolves.toBeUndefined();
  });
});

it('a name of any length is shown from its beginning', async () => {
  const state = stateWith('t'.repeat(9_000), {});
  await expect(refuseForeignState(options(), machine, state)).rejects.toThrow(
    `names ${'t'.repeat(200)}, which`,
  );
});

describe('the provider that a state names, which terraform would install and start', () => {
  const named = (provider: string, mode: string) => {
    const resource = { mode, type: 'terraform_data', name: 'x', provider, instances: [] };
    return parseState(
      JSON.stringify({ version: 4, serial: 1, lineage: 'a', outputs: {}, resources: [resource] }),
    );
  };

  it.each([
    'provider["registry.terraform.io/dmacvicar/libvirt"]',
    'provider["registry.opentofu.org/dmacvicar/libvirt"]',
    'provider["terraform.io/builtin/terraform"]',
  ])('%s is accepted', async (provider) => {
    await expect(refuseForeignState(options(), machine, named(provider, 'managed'))).resolves.toBeUndefined();
  });

  it.each([
    'provider["registry.terraform.io/somebody/libvirt"]',
    'provider["example.com/dmacvicar/libvirt"]',
    'provider["registry.terraform.io/dmacvicar/libvirt"].x["example.com/a/b"]',
    'module.m.provider["registry.terraform.io/dmacvicar/libvirt"]',
    '',
  ])('%s is refused, also where nothing but data is read with it', async (provider) => {
    for (const mode of ['managed', 'data']) {
      await expect(refuseForeignState(options(), machine, named(provider, mode))).rejects.toMatchObject({
        code: 'NotOwned',
      });
      await expect(
        refuseForeignState(options(true), machine, named(provider, mode)),
      ).resolves.toBeUndefined();
    }
  });
});
