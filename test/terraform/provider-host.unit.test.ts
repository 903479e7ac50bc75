import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ProviderHost } from '../../src/terraform/provider-host.ts';
import { scratchDir, setEnv } from './scratch.ts';

test.each([
  ['is not there', '/no/such/provider'],
  ['ends at once', '/bin/false'],
  ['is some other program', '/bin/echo'],
])('a provider that %s is refused by name, and leaves nothing behind', async (_, executable) => {
  const temporary = await scratchDir();
  setEnv({ TMPDIR: temporary });
  await expect(ProviderHost.start(executable)).rejects.toMatchObject({
    code: 'ProviderNotFound',
    message: expect.stringContaining(executable),
  });
  expect(await readdir(temporary)).toEqual([]);
});
