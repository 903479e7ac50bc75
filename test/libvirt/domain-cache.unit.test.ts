/** Verifies that domain definitions are parsed once, and within limits. */

import { expect, it } from 'vitest';
import { DomainXmlCache } from '../../src/libvirt/domain-cache.ts';
import { UnreadableXml, XML_CHARACTERS, XML_DEPTH } from '../../src/libvirt/xml.ts';

const xml = (name: string, vcpu = 1) =>
  `<domain type='kvm'><name>${name}</name><vcpu>${vcpu}</vcpu><memory unit='KiB'>65536</memory></domain>`;

it('parses only definitions that changed since the last read, and forgets removed domains', async () => {
  const definitions = new DomainXmlCache();
  const [a, b] = await definitions.read([xml('a'), xml('b')]);
  expect(a).toMatchObject({ name: 'a', vcpu: 1, memoryMiB: 64 });

  const second = await definitions.read([xml('b'), xml('a', 2)]);
  expect(second[0]).toBe(b);
  expect(second[1]).toMatchObject({ name: 'a', vcpu: 2 });

  const [back] = await definitions.read([xml('a')]);
  expect(back).toEqual(a);
  expect(back).not.toBe(a);
});

it('reads what other programs keep in a definition not at all', async () => {
  const deep = `${'<a>'.repeat(5_000)}${'</a>'.repeat(5_000)}`;
  const metadata = `<metadata><app:x xmlns:app="urn:x"><__proto__/>${deep}</app:x></metadata>`;
  const [a] = await new DomainXmlCache().read([xml('a').replace('<vcpu>', `${metadata}<vcpu>`)]);
  expect(a).toMatchObject({ name: 'a', vcpu: 1 });
});

it('says of each document whether it can be read, up to a size and a depth', async () => {
  const filled = (characters: number) =>
    xml('a').replace('</domain>', `${' '.repeat(characters - xml('a').length)}</domain>`);
  const nested = (depth: number) =>
    xml('a').replace('</domain>', `${'<x>'.repeat(depth)}${'</x>'.repeat(depth)}</domain>`);
  const read = await new DomainXmlCache().read([
    filled(XML_CHARACTERS),
    filled(XML_CHARACTERS + 1),
    nested(XML_DEPTH),
    nested(XML_DEPTH + 1),
    xml('a').replace('vcpu', '__proto__'),
    'error: nonsense <<<',
    xml('b'),
  ]);
  expect(read.map((one) => (one instanceof UnreadableXml ? 'unreadable' : one.name))).toEqual([
    'a',
    'unreadable',
    'a',
    'unreadable',
    'unreadable',
    'unreadable',
    'b',
  ]);
});
