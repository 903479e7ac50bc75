import { expect, it } from 'vitest';
import type { Plan } from '../../src/terraform/format/plan.ts';
import { transfersContent } from '../../src/terraform/transfers.ts';

const config = {
  resource: {
    libvirt_volume: {
      image: { name: 'image', source: 'https://images/x' },
      root: { base_volume_id: '/pool/image' },
    },
  },
};

const plan = (action: string, name: string) =>
  ({
    changes: [{ action, address: `libvirt_volume.${name}`, type: 'libvirt_volume', name }],
  }) as unknown as Plan;

it('an apply transfers content when it makes a volume that has a source', () => {
  expect(transfersContent(config, undefined)).toBe(true);
  expect(transfersContent(config, plan('create', 'image'))).toBe(true);
  expect(transfersContent(config, plan('replace', 'image'))).toBe(true);
  expect(transfersContent(config, plan('delete', 'image'))).toBe(false);
  expect(transfersContent(config, plan('create', 'root'))).toBe(false);
  expect(transfersContent({ resource: { libvirt_volume: { root: {} } } }, undefined)).toBe(false);
  expect(transfersContent({}, undefined)).toBe(false);
});

it('the seed of a machine, a file of this machine, takes no turn from the images of servers', () => {
  const seeded = { resource: { libvirt_volume: { seed: { source: '/var/lib/caplv/seed.iso' } } } };
  expect(transfersContent(seeded, undefined)).toBe(false);
  expect(transfersContent(seeded, plan('create', 'seed'))).toBe(false);
});
