/** Verifies that a drift names its fields and shows no secrets. */

import { expect, it } from 'vitest';
import { driftedFields } from '../../../src/actuator/plan/drifted-fields.ts';
import type { Explanation } from '../../../src/terraform/format/explanation.ts';

const domain = { address: 'libvirt_domain.machine', type: 'libvirt_domain', name: 'machine' };

function found(...explanations: Explanation[]) {
  return driftedFields({ plan: { action: 'update', changes: [], drift: [] }, explanations });
}

const nic = (network: string) => [{ mac: '52:54:00:00:00:01', network_name: network, addresses: [] }];

it('names what differs by its path, with both values', () => {
  const changed = {
    ...domain,
    action: 'update',
    replacePaths: [],
    attributes: [
      { name: 'network_interface', before: nic('other'), after: nic('default') },
      { name: 'autostart', before: true, after: false },
    ],
  } as const;
  expect(found(changed)).toEqual({
    fields: [
      'libvirt_domain.machine: network_interface.0.network_name is other, not default',
      'libvirt_domain.machine: autostart is true, not false',
    ],
    // The provider says that it changes the network in place, and does not.
    replacesDomain: true,
  });
});

it('a change that the provider really makes in place replaces nothing', () => {
  const attributes = [{ name: 'running', before: false, after: true }];
  expect(found({ ...domain, action: 'update', replacePaths: [], attributes }).replacesDomain).toBe(false);
});

it('of a replacement says what forces it, and not what follows from it', () => {
  const attributes = [
    { name: 'arch', before: 'x86_64', unknown: true as const },
    { name: 'memory', before: 160, after: 128 },
  ];
  expect(found({ ...domain, action: 'replace', replacePaths: ['memory'], attributes }).fields).toEqual([
    'libvirt_domain.machine: memory is 160, not 128',
  ]);
});

it('shows no secret', () => {
  const attributes = [{ name: 'user_data', secret: true as const }];
  const { fields } = found({ ...domain, action: 'update', replacePaths: [], attributes });
  expect(fields).toEqual(['libvirt_domain.machine: user_data differs']);
});

it('removed fields are shown as removed, and many fields are counted', () => {
  const gone = (name: string) =>
    ({
      address: `libvirt_volume.${name}`,
      type: 'libvirt_volume',
      name,
      action: 'create',
      replacePaths: [],
      attributes: [],
    }) as const;
  expect(found(gone('root')).fields).toEqual(['libvirt_volume.root is gone']);
  const many = found(...Array.from({ length: 12 }, (_, index) => gone(`disk_${index}`)));
  expect(many.fields).toHaveLength(9);
  expect(many.fields.at(-1)).toBe('and 4 more');
});
