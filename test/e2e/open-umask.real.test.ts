/** Verifies that no file is readable by others, or writable for them, also with umask 000. */

import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import { Caplv, PROGRAM } from './caplv.ts';
import { Gate } from './gate.ts';
import { machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('umask');

const TOKEN = `planted-${randomUUID()}`;
const USER_DATA = `#cloud-config\nwrite_files:\n  - {path: /etc/token, content: ${TOKEN}}\n`;

const place = (name: string) => join(here().directory, name);
const places = () => [here().stateDir, place('tmp'), place('cache')];

let caplv: Caplv;

beforeAll(async () => {
  for (const name of ['tmp', 'cache']) await mkdir(place(name), { mode: 0o700 });
  const directories = { TMPDIR: place('tmp'), XDG_CACHE_HOME: place('cache') };
  caplv = new Caplv({ ...here().caplv.env, ...directories }, [
    'sh',
    '-c',
    'umask 000; exec "$0" "$@"',
    process.execPath,
    PROGRAM,
  ]);
});

async function found(...args: readonly string[]): Promise<string[]> {
  const { stdout } = await execa('find', [...places(), ...args]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Sockets and links take their rights from elsewhere: the directory they are in, what they lead to. */
async function expectClosed(): Promise<void> {
  expect(await found('-type', 'f', '-perm', '/066', '-exec', 'grep', '-lF', TOKEN, '{}', ';')).toEqual([]);
  expect(await found('(', '-type', 'f', '-o', '-type', 'd', ')', '-perm', '/022')).toEqual([]);
}

test('the life of a machine leaves no file with secrets that others can read, and none that they can write', async () => {
  const gate = await Gate.make(place('gate'));
  const object = (spec: object = {}) =>
    machine('open', { ...here().image, userData: USER_DATA, terraform: gate.afterDomain(), ...spec });
  const applying = caplv.start(['apply', '-f', '-'], { input: manifest(object()) });
  await applying.says(/created libvirt_domain\.machine/);
  // Checks that the test reads the right place: Terraform works here, and its owner finds the token.
  expect(await found('-type', 'f', '-exec', 'grep', '-lF', TOKEN, '{}', ';')).not.toEqual([]);
  await expectClosed();
  await gate.open();
  expect(await applying.result).toMatchObject({ exitCode: 0 });
  await expectClosed();

  const changed = manifest(object({ autostart: true }));
  expect(await caplv.run(['plan', '-f', '-'], { input: changed })).toMatchObject({ exitCode: 2 });
  await expectClosed();
  expect(await caplv.run(['apply', '-f', '-'], { input: changed })).toMatchObject({ exitCode: 0 });
  await expectClosed();

  expect(await caplv.run(['delete', 'machine', 'open', '--now'])).toMatchObject({ exitCode: 0 });
  await expectClosed();
  expect(await found('-type', 'f', '-exec', 'grep', '-lF', TOKEN, '{}', ';')).toEqual([]);
});
