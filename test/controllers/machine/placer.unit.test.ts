/** Verifies that a host that does not answer delays no other Machine, and that limits of a host hold for the only one, too. */

import { expect, it } from 'vitest';
import type { Machine } from '../../../src/api/kinds/machine.ts';
import { Placer } from '../../../src/controllers/machine/placer.ts';
import type { Site } from '../../../src/intent/site.ts';
import type { Libvirt } from '../../../src/libvirt/libvirt.ts';
import type { Store } from '../../../src/store/store.ts';
import { hostAt } from '../../lab/host-uri.ts';

const site = (uri: string): Site => ({
  name: uri,
  uri: hostAt(`qemu+ssh://${uri}/system`),
  network: { name: 'default' },
  pool: { name: 'default' },
  failureDomain: undefined,
});

const machine = (name: string) =>
  ({ metadata: { name, namespace: 'a', uid: name }, spec: { providerSpec: {} } }) as unknown as Machine;

it('a Machine whose hosts do not answer delays the placement of no other Machine', async () => {
  const silent = Promise.withResolvers<object>();
  const room = { memoryMiB: 4_096, freeMemoryMiB: 4_096, cpus: 4, domains: [] };
  const libvirt = (uri: string) =>
    ({
      facts: () => (uri.includes('silent') ? silent.promise : Promise.resolve(room)),
    }) as unknown as Libvirt;
  const placer = new Placer({ store: { list: async () => [] } as unknown as Store, libvirt });
  const wanted = { memoryMiB: 128, vcpu: 1, allowOvercommit: false, path: 'spec' };
  const waiting = placer.place(machine('waits'), [site('silent-1'), site('silent-2')], wanted);
  expect((await placer.place(machine('goes'), [site('good-1'), site('good-2')], wanted)).uri).toMatch(/good/);
  silent.resolve(room);
  expect((await waiting).uri).toMatch(/silent/);
});

it('a Machine is not placed on the only host of its Cluster while that is unschedulable', async () => {
  const room = { memoryMiB: 4_096, freeMemoryMiB: 4_096, cpus: 4, domains: [] };
  const libvirt = () => ({ facts: () => Promise.resolve(room) }) as unknown as Libvirt;
  const placer = new Placer({ store: { list: async () => [] } as unknown as Store, libvirt });
  const wanted = { memoryMiB: 128, vcpu: 1, allowOvercommit: true, path: 'spec' };
  const only = site('rack1');
  const cordoned = { ...only, limits: { unschedulable: true } };
  await expect(placer.place(machine('new'), [cordoned], wanted)).rejects.toMatchObject({
    code: 'InsufficientCapacity',
    message: expect.stringContaining('rack1 is unschedulable'),
  });
  expect(await placer.place(machine('new'), [only], wanted)).toBe(only);
});

it('Machines that are created at once do not share the room that a host keeps back', async () => {
  const room = { memoryMiB: 4_096, freeMemoryMiB: 4_096, cpus: 4, domains: [] };
  const libvirt = () => ({ facts: () => Promise.resolve(room) }) as unknown as Libvirt;
  const names = ['a', 'b', 'c', 'd', 'e'];
  const store = { list: async () => names.map(machine) } as unknown as Store;
  const placer = new Placer({ store, libvirt });
  const reserved = { memoryMiB: 1_024, vcpu: 1 };
  const only = { ...site('rack1'), limits: { reserved } };
  const wanted = { memoryMiB: 1_024, vcpu: 1, allowOvercommit: false, path: 'spec' };
  const placed = await Promise.allSettled(names.map((name) => placer.place(machine(name), [only], wanted)));
  expect(placed.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'fulfilled',
    'rejected',
    'rejected',
  ]);
});
