/** Verifies how virsh is run: quoting, batches, timeouts and cancellation. */

import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Libvirt } from '../../src/libvirt/libvirt.ts';
import { Virsh } from '../../src/libvirt/virsh.ts';
import { hostAt } from '../lab/host-uri.ts';

// virsh itself, with libvirt's built-in test driver: no daemon, no root. Each connection begins with the same small host.
const uri = hostAt('test:///default');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-virsh-'));
});
afterAll(() => rm(directory, { recursive: true }));

test.each(['a b', "it's", 'say "hi"', 'a;b', '--all', '#x', 'back\\slash', '$(id)', 'über', '7'])(
  'an object called %j is asked for by that name and no other',
  async (name) => {
    const xml = `<domain type='test'><name>${escapeXml(name)}</name><memory>1024</memory><os><type>hvm</type></os></domain>`;
    const file = join(directory, 'domain.xml');
    await writeFile(file, xml);
    const answers = await new Virsh(uri).batch([
      ['define', `--file=${file}`],
      ['dumpxml', `--domain=${name}`],
    ]);
    expect(answers[1]?.error).toBeUndefined();
    expect(answers[1]?.text).toContain(`<name>${escapeXml(name)}</name>`);
  },
);

test.each(['a\nundefine test', 'a\r\nundefine test', "a'\nundefine test; '", '\ttest', '-c', ''])(
  'a name that no object can have, %j, is not found, and runs nothing',
  async (name) => {
    const [asked, list] = await new Virsh(uri).batch([
      ['dumpxml', `--domain=${name}`],
      ['list', '--all', '--name'],
    ]);
    expect(asked?.error).toBeDefined();
    expect(list?.text.trim()).toBe('test');
  },
);

test('a command that fails spoils neither those before nor those after it', async () => {
  const answers = await new Virsh(uri).batch([
    ['list', '--name'],
    ['dumpxml', '--domain=nope'],
    ['pool-list', '--name'],
  ]);
  expect(answers.map(({ text, error }) => [text.trim(), error?.code])).toEqual([
    ['test', undefined],
    ['', 'notFound'],
    ['default-pool', undefined],
  ]);
});

test('a batch too long for one argument is answered whole and in order', async () => {
  const names = Array.from({ length: 2000 }, (_, i) =>
    i % 500 === 0 ? 'test' : `no-such-domain-of-this-host-${i}`,
  );
  const answers = await new Virsh(uri).batch(names.map((name) => ['domuuid', `--domain=${name}`]));
  expect(answers).toHaveLength(2000);
  expect(answers.flatMap(({ error }, i) => (error ? [] : [i]))).toEqual([0, 500, 1000, 1500]);
});

test('a host that takes no connection ends in an error, and leaves no ssh behind', async () => {
  // A program in the place of ssh that never answers, and whose PID can be asked for afterwards.
  const ssh = join(directory, 'ssh');
  await writeFile(ssh, `#!/bin/sh\necho $$ >${directory}/pid\nexec sleep 1000\n`, { mode: 0o755 });
  const libvirt = new Libvirt({ uri: hostAt(`qemu+ssh://root@192.0.2.1/system?command=${ssh}`) });
  await expect(libvirt.domains({ timeoutMs: 3_000 })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('took no connection within 3 s'),
  });
  const pid = (await readFile(join(directory, 'pid'), 'utf8')).trim();
  const state = async () => (await execa('ps', ['-o', 'stat=', '-p', pid], { reject: false })).stdout;
  // Killed; a zombie only waits for its parent.
  await expect.poll(state).toMatch(/^(Z.*)?$/);
});

test('domains that are asked for together are looked at in one process, and again by the next look', async () => {
  const virsh = join(directory, 'virsh-that-counts');
  await writeFile(virsh, `#!/bin/sh\necho >>${virsh}.calls\nexec virsh "$@"\n`, { mode: 0o755 });
  const calls = async () => (await readFile(`${virsh}.calls`, 'utf8')).length;
  const libvirt = new Libvirt({ uri, virsh });
  libvirt.ask(['test', 'nope']);
  libvirt.ask(['nope']);
  await expect(libvirt.domain('test')).resolves.toMatchObject({ name: 'test', state: 'running' });
  await expect(libvirt.domain('nope')).resolves.toBeUndefined();
  expect(await calls()).toBe(1);
  await expect(libvirt.domain('test')).resolves.toMatchObject({ name: 'test' });
  expect(await calls()).toBe(2);
});

test('a host that does not answer is reported to each caller', async () => {
  const libvirt = new Libvirt({ uri: hostAt('qemu+unix:///system?socket=/nowhere/sock') });
  libvirt.ask(['one', 'other', 'nobody looks at']);
  for (const name of ['one', 'other'])
    await expect(libvirt.domain(name)).rejects.toMatchObject({ code: 'unreachable' });
});

test('a process that left the process group of virsh, and keeps its output open, is not waited for', async () => {
  const virsh = join(directory, 'virsh-that-leaves-somebody');
  await writeFile(virsh, `#!/bin/sh\nsetsid sleep 30 &\necho $! >${virsh}.pid\nsleep 30\n`, { mode: 0o755 });
  await expect(new Libvirt({ uri, virsh }).domains({ timeoutMs: 500 })).rejects.toMatchObject({
    code: 'unreachable',
  });
  const left = Number(await readFile(`${virsh}.pid`, 'utf8'));
  expect(process.kill(left, 'SIGKILL')).toBe(true);
});

test('a caller that aborts gets its own reason', async () => {
  const reason = new Error('shutting down');
  await expect(new Libvirt({ uri }).domains({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('without virsh the error says what to install', async () => {
  const virsh = 'virsh-that-is-not-there';
  const missing = { code: 'virshMissing', fix: expect.stringContaining('apt-get install libvirt-clients') };
  await expect(new Libvirt({ uri, virsh }).facts()).rejects.toMatchObject(missing);
  const lines = new Virsh(uri, { binary: virsh }).lines(
    ['event', '--loop', '--all'],
    new AbortController().signal,
  );
  await expect(lines.next()).rejects.toMatchObject(missing);
});

test('a watch ends with the process that watches, however that ends', async () => {
  const watcher = execa(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--eval',
      `import { Virsh } from '${new URL('../../src/libvirt/virsh.ts', import.meta.url).href}';
       const lines = new Virsh('${uri}').lines(['event', '--loop', '--all'], new AbortController().signal);
       for await (const line of lines) console.log(line);`,
    ],
    { reject: false },
  );
  await once(watcher.stdout, 'data');
  const children = () => execa('pgrep', ['--parent', String(watcher.pid)]).then(({ stdout }) => stdout);
  const virsh = await children();
  watcher.kill('SIGKILL');
  await watcher;
  const state = () => execa('ps', ['-o', 'stat=', '-p', virsh], { reject: false });
  await expect.poll(async () => (await state()).stdout).toMatch(/^(Z.*)?$/);
});

test('without libvirtd the error names the socket and how to start it', async () => {
  const libvirt = new Libvirt({ uri: hostAt('qemu+unix:///system?socket=/nowhere/sock') });
  await expect(libvirt.facts()).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining("'/nowhere/sock': No such file or directory"),
    fix: expect.stringContaining('systemctl start libvirtd'),
  });
});

test('a daemon that hangs up in the middle of a request is unreachable, although virsh dies without a message', async () => {
  const virsh = join(directory, 'virsh-that-is-hung-up-on');
  await writeFile(virsh, '#!/bin/sh\nkill -PIPE $$\n', { mode: 0o755 });
  await expect(new Libvirt({ uri, virsh }).facts()).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('hung up'),
  });
});

test('the environment of the caller changes nothing', async () => {
  const { stdout } = await execa(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--eval',
      `import { Libvirt } from '${new URL('../../src/libvirt/libvirt.ts', import.meta.url).href}';
       console.log((await new Libvirt({ uri: '${uri}' }).domains()).map(({ name }) => name).join());`,
    ],
    {
      env: { LANG: 'de_DE.UTF-8', LIBVIRT_DEBUG: '1', LIBVIRT_DEFAULT_URI: 'qemu:///nope', VIRSH_DEBUG: '0' },
    },
  );
  expect(stdout).toBe('test');
});

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll("'", '&apos;')
    .replaceAll('"', '&quot;');
}
