/** Verifies that a read-only process makes no changes with virsh. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Libvirt } from '../../src/libvirt/libvirt.ts';
import { hostAt } from '../lab/host-uri.ts';

it('a process that may change nothing starts no virsh for a change, and still observes', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'caplv-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const mark = join(dir, 'started');
  const virsh = join(dir, 'virsh');
  writeFileSync(virsh, `#!/bin/sh\ntouch ${mark}\necho 'error: not asked' >&2\nexit 1\n`, { mode: 0o700 });
  const lost = new Error('lost');
  const libvirt = new Libvirt({
    uri: hostAt('test:///default'),
    virsh,
    mayChange: () => {
      throw lost;
    },
  });
  await expect(libvirt.autostartPool('6c2b5a3e-0000-4000-8000-000000000001')).rejects.toBe(lost);
  await expect(libvirt.removeInactive('network', '6c2b5a3e-0000-4000-8000-000000000001')).rejects.toBe(lost);
  expect(existsSync(mark)).toBe(false);
  await expect(libvirt.facts()).rejects.toThrow('not asked');
  expect(existsSync(mark)).toBe(true);
});
