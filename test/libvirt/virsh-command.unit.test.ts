/** Verifies that virsh commands in messages are quoted for a shell. */

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { virshCommand } from '../../src/libvirt/virsh-command.ts';

test.each([
  "qemu:///system?socket=/a'b",
  "qemu:///system';id;'",
  'qemu:///system$(id)`id`;id&&id|id>/dev/null#"',
  "qemu:///'\\''\\",
])('a shell reads %s in a command as one word', (uri) => {
  const command = virshCommand(uri, 'vol-list', uri);
  const words = execFileSync('sh', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' });
  expect(words.split('\0')).toEqual(['virsh', '-c', uri, 'vol-list', uri, '']);
});
