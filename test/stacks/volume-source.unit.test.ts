import { expect, test } from 'vitest';
import { volumeSource } from '../../stacks/volume-source.ts';

test.each([
  ['/srv/a b.qcow2', '/srv/a b.qcow2'],
  ['/srv/100%?#1.iso', '/srv/100%25%3F%231.iso'],
  ['https://example.org/a%20b?x#y', 'https://example.org/a%20b?x#y'],
  ['file:///srv/a%20b', 'file:///srv/a%20b'],
])('%s is found by the provider, which parses it as a URL', (path, source) => {
  expect(volumeSource(path)).toBe(source);
});
