/** Verifies that errors of terraform name resource, cause and fix. */

import { expect, test } from 'vitest';
import type { Message } from '../../../src/terraform/format/messages.ts';
import { failureOf, TerraformError } from '../../../src/terraform/run/terraform-error.ts';

function failed(...diagnostics: { summary: string; detail: string; address?: string }[]) {
  const messages = diagnostics.map(
    (diagnostic): Message => ({
      type: 'diagnostic',
      at: 0,
      diagnostic: { severity: 'error', ...diagnostic },
    }),
  );
  return { exitCode: 1, messages, text: [] };
}

test('the message names the resource, the fault and the detail', () => {
  const error = failureOf(
    'apply',
    failed(
      { address: 'libvirt_volume.root', summary: "can't find storage pool 'fast'", detail: '' },
      { summary: 'A', detail: 'b' },
    ),
  );
  expect(error).toBeInstanceOf(TerraformError);
  expect(error.message).toBe(
    "terraform apply failed: libvirt_volume.root: can't find storage pool 'fast'; A: b",
  );
});

test('changes before the failure are reported, so that the next run continues from them', () => {
  const change = {
    address: 'libvirt_volume.v',
    type: 'libvirt_volume',
    name: 'v',
    action: 'create',
  } as const;
  const error = new TerraformError('apply', {
    ...failed({ summary: 'no', detail: '' }),
    messages: [
      { type: 'apply_start', at: 10, change },
      { type: 'apply_complete', at: 25, change, id: '/pool/v' },
    ],
  });
  expect(error.applied).toEqual([{ ...change, durationMs: 15, id: '/pool/v' }]);
});

test('a state that others hold is StateLocked, and says who, what and since when', () => {
  // Recorded with Terraform 1.11.4.
  const detail =
    'Error message: resource temporarily unavailable\nLock Info:\n  ID:        e984edb0-fad3-4f12-dc99-fab8796954ce\n  Path:      terraform.tfstate\n  Operation: OperationTypeApply\n  Who:       root@vm\n  Version:   1.11.4\n  Created:   2026-11-23 15:13:39.965343984 +0000 UTC\n  Info:      \n\n\nTerraform acquires a state lock to protect the state from being written\nby multiple users at the same time.';
  const error = failureOf('plan', failed({ summary: 'Error acquiring the state lock', detail }));
  expect(error).toMatchObject({
    code: 'StateLocked',
    message: 'The Terraform state is locked by root@vm (apply) since 2026-11-23T15:13:39Z',
    fix: expect.stringContaining('terraform force-unlock e984edb0-fad3-4f12-dc99-fab8796954ce'),
  });
});

test('a plan that was overtaken is a Conflict, to be planned again at once', () => {
  const error = failureOf(
    'apply',
    failed({ summary: 'Saved plan is stale', detail: 'The given plan file …' }),
  );
  expect(error).toMatchObject({ code: 'Conflict', retryAfterMs: 0 });
});

test('the text of a command without -json gives the cause, not the configuration it quotes', () => {
  // As `terraform init` prints it.
  const text = [
    '╷',
    '│ Error: Unsupported argument',
    '│ ',
    '│   on cdk.tf.json line 12, in resource.libvirt_cloudinit_disk.seed:',
    '│   12:         "user_data": "token: SECRET",',
    '│ ',
    '│ An argument named "user_data" is not expected here.',
    '╵',
  ];
  const error = failureOf('init', { exitCode: 1, messages: [], text });
  expect(error.message).toBe(
    'terraform init failed: Unsupported argument: An argument named "user_data" is not expected here. (exit code 1)',
  );
});

test('a terraform that was killed says so', () => {
  const error = failureOf('apply', { exitCode: null, messages: [], text: [] });
  expect(error.message).toBe(
    'terraform apply failed: it said nothing of why (a signal ended it: the kernel does that when memory is short)',
  );
});
