import { mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { identify } from '../../../src/system/process-identity.ts';
import { ProviderHost } from '../../../src/terraform/provider/process.ts';
import { makeProviderDir } from '../../../src/terraform/provider/temp-dir.ts';
import { scratchDir, setEnv } from '../scratch.ts';

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

test('what is left of one who was killed before he started his provider goes with the next start', async () => {
  const temporary = await scratchDir();
  setEnv({ TMPDIR: temporary });
  const { pid, startTime } = identify(process.pid);
  const ours = `caplv-provider-${pid}.${startTime}.aaaaaa`;
  for (const name of [ours, `caplv-provider-${pid}.1.bbbbbb`]) await mkdir(join(temporary, name));
  const made = await makeProviderDir();
  expect((await readdir(temporary)).sort()).toEqual([basename(made), ours].sort());
});
