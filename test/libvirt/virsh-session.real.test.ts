/** Verifies that a virsh session answers as single processes do, and ends with its program. */

import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Virsh } from '../../src/libvirt/virsh.ts';
import type { Command } from '../../src/libvirt/virsh-command.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { scratchDir } from '../terraform/scratch.ts';
import { virsh as virshOf } from './guest.ts';

let lab: Lab;
let host: LibvirtHost;
/** A line for each virsh that was started: with how many arguments. */
let starts: string;
let binary: string;

const ODD = "it's; two $words `x` # \\ %!";
const LOOK: readonly Command[] = [
  ['list', '--all', '--name'],
  ['dumpxml', '--domain=nobody'],
  ['domstate', `--domain=${ODD}`],
  ['net-list', '--name'],
];

beforeAll(async () => {
  lab = await Lab.up({ name: 'session' });
  host = lab.hosts[0] as LibvirtHost;
  // Goes with the lab.
  const { directory } = host;
  starts = join(directory, 'starts');
  binary = join(directory, 'virsh');
  await writeFile(binary, `#!/bin/sh\necho $# >>${starts}\nexec virsh "$@"\n`, { mode: 0o755 });
  const xml = `<domain type='qemu'>
    <name>${ODD}</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>
  </domain>`;
  await writeFile(join(directory, 'domain.xml'), xml);
  await virshOf(host, ['define', join(directory, 'domain.xml')]);
}, 300_000);

afterAll(() => lab?.down(), 60_000);

/** A virsh whose session is connected, and what a process answers. */
async function connected() {
  const virsh = new Virsh(host.uri, { binary, stays: true });
  onTestFinished(() => virsh.close());
  await rm(starts, { force: true });
  const answers = await virsh.batch(LOOK);
  await expect.poll(() => looksWithoutProcess(virsh)).toBe(true);
  return { virsh, answers };
}

/** Processes are started with a script, sessions without. */
async function processes(): Promise<number> {
  return (await readFile(starts, 'utf8')).split('\n').filter((line) => line === '4').length;
}

/** Sessions that were started. */
async function sessions(): Promise<number> {
  return (await readFile(starts, 'utf8')).split('\n').filter((line) => line === '3').length;
}

async function looksWithoutProcess(virsh: Virsh): Promise<boolean> {
  const before = await processes();
  await virsh.batch(LOOK);
  return (await processes()) === before;
}

test('a session answers as a process does, whatever names and errors there are', async () => {
  const { virsh, answers } = await connected();
  expect(answers.map(({ error }) => error?.code)).toEqual([undefined, 'notFound', undefined, undefined]);
  expect(answers[2]?.text.trim()).toBe('shut off');
  for (let i = 0; i < 3; i++) expect(await virsh.batch(LOOK)).toEqual(answers);
  expect(await looksWithoutProcess(virsh)).toBe(true);
});

test('changes and scripts of several lines use a process', async () => {
  const { virsh } = await connected();
  const before = await processes();
  await virsh.run(['pool-refresh', `--pool=${host.pool}`]);
  expect(await processes()).toBe(before + 1);
  for (const name of ['two\nlines', 'a\ttab', 'ümlaut']) {
    await expect(virsh.run(['dumpxml', `--domain=${name}`])).rejects.toMatchObject({ code: 'notFound' });
  }
  expect(await processes()).toBe(before + 4);
});

test('concurrent scripts get sessions of their own, up to four of a host; more use a process', async () => {
  const { virsh, answers } = await connected();
  const together = async (count: number) => {
    const before = await processes();
    const all = await Promise.all(Array.from({ length: count }, () => virsh.batch(LOOK)));
    expect(all).toEqual(Array.from({ length: count }, () => answers));
    return (await processes()) - before;
  };
  await expect.poll(() => together(4), { timeout: 30_000 }).toBe(0);
  expect(await sessions()).toBe(4);
  expect(await together(6)).toBe(2);
  expect(await sessions()).toBe(4);

  virsh.close();
  expect(await together(1)).toBe(1);
});

test('libvirtd is restarted: callers do not notice, and another session begins', async () => {
  const { virsh, answers } = await connected();
  await host.stopLibvirtd();
  await expect(virsh.batch(LOOK)).rejects.toMatchObject({ code: 'unreachable' });
  await host.startLibvirtd();
  expect(await virsh.batch(LOOK)).toEqual(answers);
  await expect.poll(() => looksWithoutProcess(virsh), { timeout: 30_000 }).toBe(true);
});

test('a libvirtd that no longer answers: the call fails in time, and the next one starts another process', async () => {
  const { virsh, answers } = await connected();
  const sandbox = await host.sandbox();
  const pid = (await sandbox.run('cat', '/run/libvirtd.pid')).trim();
  await sandbox.run('kill', '-STOP', pid);
  await expect(virsh.batch(LOOK, { timeoutMs: 500 })).rejects.toMatchObject({ code: 'timeout' });
  await sandbox.run('kill', '-CONT', pid);
  expect(await virsh.batch(LOOK)).toEqual(answers);
});

test('a program with a session ends when it has nothing else to do; nothing is left of it, nor written', async () => {
  const home = await scratchDir();
  const module = join(import.meta.dirname, '../../src/libvirt/virsh.ts');
  const program = `
    const { Virsh } = await import('${module}');
    const { setTimeout: sleep } = await import('node:timers/promises');
    const virsh = new Virsh('${host.uri}', { stays: true });
    for (let i = 0; i < 5; i++) {
      await virsh.run(['list', '--all']);
      await sleep(100);
    }`;
  const env = { HOME: home, XDG_CACHE_HOME: join(home, 'cache') };
  await execa('node', ['--input-type=module', '--eval', program], { env });
  const left = async () => (await execa('ps', ['-eo', 'args'])).stdout.split('\n').filter(isSession);
  await expect.poll(left).toEqual([]);
  expect(await readdir(home)).toEqual([]);
});

function isSession(args: string): boolean {
  return /^virsh -q -c \S+$/.test(args) && args.includes(host.uri);
}
