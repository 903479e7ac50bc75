import { expect, it } from 'vitest';
import { Definitions } from '../../src/libvirt/domain-cache.ts';

const xml = (name: string, vcpu = 1) =>
  `<domain type='kvm'><name>${name}</name><vcpu>${vcpu}</vcpu><memory unit='KiB'>65536</memory></domain>`;

it('reads again only what has changed since the last look, and forgets what is gone', () => {
  const definitions = new Definitions();
  const [a, b] = definitions.read([xml('a'), xml('b')]);
  expect(a).toMatchObject({ name: 'a', vcpu: 1, memoryMiB: 64 });

  const second = definitions.read([xml('b'), xml('a', 2)]);
  expect(second[0]).toBe(b);
  expect(second[1]).toMatchObject({ name: 'a', vcpu: 2 });

  const [back] = definitions.read([xml('a')]);
  expect(back).toEqual(a);
  expect(back).not.toBe(a);
});
