/** Verifies that errors of terraform and libvirt become transient or terminal errors that keep their fix. */

import { expect, it } from 'vitest';
import { classified } from '../../../src/actuator/context/classify-error.ts';
import { TerminalError } from '../../../src/errors.ts';
import { LibvirtError } from '../../../src/libvirt/libvirt-error.ts';
import { TerraformError } from '../../../src/terraform/run/terraform-error.ts';

const outcome = (error: unknown) =>
  classified(() => Promise.reject(error)).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );

function terraformError(summary: string): TerraformError {
  const diagnostic = { severity: 'error', summary, detail: '' } as const;
  const messages = [{ type: 'diagnostic', at: 0, diagnostic } as const];
  return new TerraformError('apply', { exitCode: 1, messages, stderr: '' } as never);
}

it.each([
  ["can't find storage pool 'fast'", 'PoolNotFound', 'TerminalError'],
  ["Can't retrieve network 'lan'", 'NetworkNotFound', 'TerminalError'],
  [
    'failed to connect: dial unix /run/libvirt/libvirt-sock: no such file',
    'LibvirtUnreachable',
    'TransientError',
  ],
  ["internal error: pool 'default' has asynchronous jobs running.", 'LibvirtError', 'TransientError'],
  ["operation failed: domain 'x' already exists with uuid 1", 'LibvirtError', 'TransientError'],
  ['cannot write data to file: No space left on device', 'InsufficientCapacity', 'TransientError'],
  ['cannot set up guest memory: Cannot allocate memory', 'InsufficientCapacity', 'TransientError'],
  [
    'error while determining size: Head "http://images/a.qcow2": dial tcp 10.0.0.1:80: connect: connection refused',
    'ImageNotFound',
    'TransientError',
  ],
  [
    'Failed to get existing workspaces: Get "https://10.0.0.1:6443/api/v1/secrets": dial tcp: connection refused',
    'TerraformError',
    'TransientError',
  ],
  [
    '[WARN] Cannot find machine type q99 for hvm/x86_64 in {{ capa} 0xc00012345}',
    'InvalidConfiguration',
    'TerminalError',
  ],
  [
    "error creating libvirt domain: Cannot get interface MTU on 'br9': No such device",
    'LibvirtError',
    'TransientError',
  ],
  ['internal error: qemu unexpectedly closed the monitor: no such file', 'LibvirtError', 'TransientError'],
  ['something that nobody has seen before', 'TerraformError', 'TransientError'],
])('terraform says "%s": %s, %s', async (summary, code, name) => {
  expect(await outcome(terraformError(summary))).toMatchObject({ code, name, fix: expect.any(String) });
});

it('a network whose addresses are taken needs others: nothing is mended by another try', async () => {
  const error = terraformError(
    'error creating libvirt network: Network is already in use by interface virbr0',
  );
  expect(await outcome(error)).toMatchObject({
    code: 'LibvirtError',
    fix: expect.stringContaining('other addresses'),
  });
});

it('what a killed terraform or provider left is gone on with at once', async () => {
  const killed = new TerraformError('apply', { exitCode: null, messages: [], text: [] });
  expect(await outcome(killed)).toMatchObject({ code: 'TerraformError', retryAfterMs: 1_000 });
  const providerKilled = terraformError('Plugin did not respond');
  expect(await outcome(providerKilled)).toMatchObject({ code: 'TerraformError', retryAfterMs: 1_000 });
});

it('an error of libvirt keeps the fix that was found with it', async () => {
  const error = new LibvirtError({
    code: 'permission',
    uri: 'qemu:///system',
    command: 'list',
    message: 'no',
    fix: 'join the group',
  });
  expect(await outcome(error)).toMatchObject({
    code: 'LibvirtPermissionDenied',
    name: 'TerminalError',
    fix: 'join the group',
  });
});

it('classified errors, and bugs of caplv, pass unchanged', async () => {
  const known = new TerminalError({ code: 'NotOwned', message: 'x' });
  expect(await outcome(known)).toBe(known);
  const mistake = new TypeError('x');
  expect(await outcome(mistake)).toBe(mistake);
});
