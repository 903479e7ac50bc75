/** Verifies that the provider finds image files whose names hold special characters. */

import { expect, test } from 'vitest';
import { volumeSource } from '../../stacks/volume-source.ts';

test.each([
  ['/srv/a b.qcow2', '/srv/a b.qcow2'],
  ['/srv/100%?#1.iso', '/srv/100%25%3F%231.iso'],
  ['https://example.org/a%20b?x#y', 'https://example.org/a%20b?x#y'],
  ['file:///srv/a%20b', 'file:///srv/a%20b'],
  ['//srv/a.qcow2', '/srv/a.qcow2'],
  ['/srv/e\u0301\t\ud800', '/srv/e%CC%81%09%EF%BF%BD'],
  ['https://example.org\\@elsewhere/e\u0301', 'https://example.org/@elsewhere/e%CC%81'],
])('%s is found by the provider, which parses it as a URL', (path, source) => {
  expect(volumeSource(path)).toBe(source);
});
