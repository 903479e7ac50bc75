/** Verifies that a host that does not answer delays the placement of no other Machine. */

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
  const room = { memoryMiB: 4_096, freeMemoryMiB: 4_096, domains: [] };
  const libvirt = (uri: string) =>
    ({
      facts: () => (uri.includes('silent') ? silent.promise : Promise.resolve(room)),
    }) as unknown as Libvirt;
  const placer = new Placer({ store: { list: async () => [] } as unknown as Store, libvirt });
  const wanted = { memoryMiB: 128, allowOvercommit: false, path: 'spec' };
  const waiting = placer.place(machine('waits'), [site('silent-1'), site('silent-2')], wanted);
  expect((await placer.place(machine('goes'), [site('good-1'), site('good-2')], wanted)).uri).toMatch(/good/);
  silent.resolve(room);
  expect((await waiting).uri).toMatch(/silent/);
});
