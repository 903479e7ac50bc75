/** Verifies that provider processes, and what they left, are removed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { identify, parentOf, runs, thisProcess } from '../../../src/system/process-identity.ts';
import { ProviderProcess } from '../../../src/terraform/provider/process.ts';
import { collectProviders, makeProviderDir } from '../../../src/terraform/provider/temp-dir.ts';
import { scratchDir, setEnv } from '../scratch.ts';
import { fakeProvider } from './fake-provider.ts';

test.each([
  ['is not there', '/no/such/provider'],
  ['ends at once', '/bin/false'],
  ['is some other program', '/bin/echo'],
])('a provider that %s is refused by name, and leaves nothing behind', async (_, executable) => {
  const temporary = await scratchDir();
  setEnv({ TMPDIR: temporary });
  await expect(ProviderProcess.start(executable)).rejects.toMatchObject({
    code: 'ProviderNotFound',
    message: expect.stringContaining(executable),
  });
  expect(await readdir(temporary)).toEqual([]);
});

test('leftovers of a process that was killed before it started its provider are removed at the next start', async () => {
  const temporary = await scratchDir();
  setEnv({ TMPDIR: temporary });
  const { pid, startTime } = identify(process.pid);
  const ours = `caplv-provider-${pid}.${startTime}.aaaaaa`;
  for (const name of [ours, `caplv-provider-${pid}.1.bbbbbb`]) await mkdir(join(temporary, name));
  const made = await makeProviderDir();
  expect((await readdir(temporary)).sort()).toEqual([basename(made), ours].sort());
});

describe('a provider of which the starter was killed, and the shell that was to end it', () => {
  async function abandoned() {
    const dir = await scratchDir();
    setEnv({ TMPDIR: dir });
    const script = fileURLToPath(new URL('starter-process.ts', import.meta.url));
    const starter = spawn(process.execPath, [script, await fakeProvider(dir)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: starter.stdout }), 'line');
    const provider = identify(Number(line));
    const children = () =>
      readdirSync('/proc')
        .map(Number)
        .filter((pid) => pid > 0 && parentOf(pid) === provider.pid);
    for (const pid of children()) process.kill(pid, 'SIGKILL');
    await expect.poll(children).toEqual([]);
    const [name = ''] = (await readdir(dir)).filter((one) => one.startsWith('caplv-provider-'));
    const end = async () => {
      starter.kill('SIGKILL');
      await once(starter, 'exit');
    };
    return { dir, provider, end, path: join(dir, name) };
  }

  test('is ended by the next start, with its leftovers', async () => {
    const { dir, provider, end } = await abandoned();
    await collectProviders();
    expect(runs(provider)).toBe(true);
    await end();
    expect(runs(provider)).toBe(true);
    await collectProviders();
    await expect.poll(() => runs(provider)).toBe(false);
    expect((await readdir(dir)).filter((one) => one.startsWith('caplv-provider-'))).toEqual([]);
  });

  test('stays for as long as a terraform uses it', async () => {
    const { provider, end, path } = await abandoned();
    await end();
    const terraform = spawn('sleep', ['300'], {
      env: { TF_REATTACH_PROVIDERS: `{"String":"${path}/socket"}` },
    });
    await once(terraform, 'spawn');
    await collectProviders();
    expect(runs(provider)).toBe(true);
    terraform.kill();
    await once(terraform, 'exit');
    await collectProviders();
    await expect.poll(() => runs(provider)).toBe(false);
  });

  test('is not what a file says that anybody may have written', async () => {
    const dir = await scratchDir();
    setEnv({ TMPDIR: dir });
    const other = spawn('sleep', ['300']);
    await once(other, 'spawn');
    const planted = join(dir, 'caplv-provider-1.1.aaaaaa');
    await mkdir(planted);
    const owner = { ...thisProcess(), ...identify(other.pid as number), starter: { pid: 1, startTime: '1' } };
    await writeFile(join(planted, 'owner'), JSON.stringify(owner));
    await collectProviders();
    expect(other.exitCode ?? other.signalCode).toBeNull();
    other.kill();
  });
});
