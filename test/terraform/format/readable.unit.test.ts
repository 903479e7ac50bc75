/** Verifies that terraform's messages are shortened for people. */

import { expect, it } from 'vitest';
import { readable } from '../../../src/terraform/format/readable.ts';

it.each([
  [
    // libvirt_domain of provider 0.8.3; 3 KB of it.
    '[WARN] Cannot find machine type pc-q35-99.9 for hvm/x86_64 in {{ capabilities} {9c81c405 0xb1c2aa343c0 <nil> [{none 0 []}]} [{hvm {i686 32 [{pc 255 pc-i440fx-7.2}]}}]}',
    'Cannot find machine type pc-q35-99.9 for hvm/x86_64 in {…}',
  ],
  [
    'error while downloading http://a/b.qcow2: &{404 Not Found 404 HTTP/1.1 map[Date:[Sat]] 0xc000123456 <nil>}',
    'error while downloading http://a/b.qcow2: {…}',
  ],
  // Cut off on its way.
  ['cannot find it in {{ capabilities} {0xb1c2aa343c0 [{hvm', 'cannot find it in {…}'],
  [
    'Head "https://user:s3cret@images.example.com/a.qcow2?X-Token=s3cret&b=1": dial tcp: no route to host',
    'Head "https://images.example.com/a.qcow2": dial tcp: no route to host',
  ],
  ['GET http://us@er:s3@cret@host/x failed', 'GET http://host/x failed'],
  // Nothing of this is Go's, or secret.
  [
    'Invalid value for "${libvirt_volume.root.id}": expected {"a": 1} at {name}',
    'Invalid value for "${libvirt_volume.root.id}": expected {"a": 1} at {name}',
  ],
  ['no file /a/${PWD%${PWD#?}}b', 'no file /a/${PWD%${PWD#?}}b'],
  [
    `qemu ended: ${'x'.repeat(5_000)}: No such file`,
    expect.stringMatching(/^qemu ended: x+ … x+: No such file$/),
  ],
])('%s', (message, expected) => {
  expect(readable(message)).toEqual(expected);
  expect(readable(message).length).toBeLessThan(1_010);
});
