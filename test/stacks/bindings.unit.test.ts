/** Verifies that the provider bindings are up to date. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { generate } from '../../stacks/provider-libvirt/generate.mts';

const committed = join(import.meta.dirname, '../../stacks/provider-libvirt/src');

test('the bindings are what the generator makes of schema.json: else run `npm run generate`', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bindings-'));
  try {
    await generate(join(directory, 'src'));
    const diff = promisify(execFile)('diff', ['--recursive', '--brief', committed, join(directory, 'src')]);
    // diff exits 1, and so rejects with its output, when there is a difference.
    await expect(diff).resolves.toMatchObject({ stdout: '' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
