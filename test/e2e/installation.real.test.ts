/** Verifies that a missing dependency is reported with its fix, by `caplv doctor` and by an apply. */

import { chmod, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CaplvResult, type Environment, PROGRAM } from './caplv.ts';
import { machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('installation');

/** A directory for PATH that holds only what is put into it. */
let bin: string;
/** A home without anything in it, so that nothing is found in there, and nothing of ours is written into the real one. */
let home: Environment;

beforeAll(async () => {
  bin = join(here().directory, 'bin');
  await mkdir(bin);
  for (const program of ['sh', 'virsh', 'xsltproc']) {
    const { stdout } = await execa('sh', ['-c', `command -v ${program}`]);
    await symlink(stdout, join(bin, program));
  }
  const directory = join(here().directory, 'home');
  await mkdir(directory);
  home = {
    HOME: directory,
    XDG_CACHE_HOME: join(directory, '.cache'),
    XDG_DATA_HOME: join(directory, 'data'),
  };
});

async function doctor(env: Environment, ...args: string[]) {
  const { exitCode, stdout } = await here().caplv.run(['doctor', ...args], { env });
  return { exitCode, stdout };
}

/** Nothing was made, and the machine goes like any other. */
async function expectRefusal(env: Environment, message: RegExp): Promise<void> {
  const { exitCode, stderr } = await here().apply([machine('node', here().image)], [], env);
  expect(stderr).toMatch(message);
  expect(exitCode).toBe(1);
  expect(await here().volumes()).toEqual([]);
  await here().caplv.read(['delete', 'machine', 'node']);
  expect(await here().stateFiles()).toEqual([]);
}

describe('doctor', () => {
  test('confirms a complete installation', async () => {
    const { exitCode, stdout } = await doctor({});
    expect(stdout.replace(/^(ok|warning) +(\w[\w ]*?) {2,}.*$/gm, '$1 $2').split('\n')).toEqual([
      'ok state directory',
      'ok terraform',
      'ok provider',
      'ok xsltproc',
      'ok libvirt',
      'warning kvm',
      expect.stringContaining('fix: '),
      'ok pool',
      'ok network',
    ]);
    expect(exitCode).toBe(0);
  });

  test('reports everything that is missing with its fix, without stopping at the first', async () => {
    const { exitCode, stdout } = await doctor({
      ...home,
      PATH: bin,
      CAPLV_LIBVIRT_URI: 'qemu+unix:///system?socket=/nowhere',
    });
    expect(stdout).toMatch(
      /^failed +terraform +Neither terraform nor tofu is in PATH\n +fix: install Terraform/m,
    );
    expect(stdout).toMatch(
      /^failed +libvirt +.*Failed to connect socket to '\/nowhere'.*\n +fix: Start libvirt/m,
    );
    expect(exitCode).toBe(1);
  });

  test('prints pool and network of another name as data', async () => {
    const { exitCode, stdout } = await doctor({}, '--pool', 'fast', '--network', 'lan', '-o', 'json');
    expect(JSON.parse(stdout).slice(-2)).toMatchObject([
      { name: 'pool', result: 'warning', message: '"fast" does not exist' },
      { name: 'network', result: 'warning', message: '"lan" does not exist' },
    ]);
    expect(exitCode).toBe(0);
  });
});

/** Answers each question of a call on a terminal of its own, as soon as it is asked. */
async function onTerminal(command: readonly string[], answers: readonly string[]): Promise<CaplvResult> {
  const typed = [process.execPath, PROGRAM, ...command].map((word) => `'${word}'`).join(' ');
  const terminal = execa('script', ['--quiet', '--return', '--command', typed, '/dev/null'], {
    env: { ...here().caplv.env, NO_COLOR: '1' },
    extendEnv: false,
    reject: false,
  });
  let shown = '';
  let answered = 0;
  terminal.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
    const asked = shown.split('[y/N]').length - 1;
    for (const answer of answers.slice(answered, asked)) terminal.stdin.write(`${answer}\n`);
    answered = asked;
  });
  const { exitCode, stdout } = await terminal;
  return { exitCode, stdout, stderr: '' };
}

describe('doctor --fix, on a host without pool and network', () => {
  beforeAll(async () => {
    for (const [kind, name] of [
      ['net', here().host.network],
      ['pool', here().host.pool],
    ]) {
      await here().virsh(`${kind}-destroy`, `${name}`);
      await here().virsh(`${kind}-undefine`, `${name}`);
    }
    // An interface of the host in the usual range, which caplv does not see from here, but libvirt does.
    const sandbox = await here().host.sandbox();
    await sandbox.run('ip', 'link', 'add', 'office', 'type', 'bridge');
    await sandbox.run('ip', 'address', 'add', '192.168.122.7/24', 'dev', 'office');
    await sandbox.run('ip', 'link', 'set', 'office', 'up');
  });

  const names = async () => [
    (await here().virsh('pool-list', '--all', '--name')).trim(),
    (await here().virsh('net-list', '--all', '--name')).trim(),
  ];

  test('says what is missing and who makes it', async () => {
    const { exitCode, stdout } = await doctor({});
    expect(stdout).toMatch(/^warning +pool +"default" does not exist\n +fix: caplv doctor --fix creates it/m);
    expect(stdout).toMatch(
      /^warning +network +"default" does not exist\n +fix: caplv doctor --fix creates it/m,
    );
    expect(exitCode).toBe(0);
  });

  test.each([
    ['without a terminal', ['--fix'], /^error: --fix: there is no terminal to ask on .*\n {2}fix: .*--yes/],
    ['without --fix', ['--yes'], /^error: --yes: nothing is changed without --fix/],
  ])('creates nothing %s', async (_, args, message) => {
    const { exitCode, stderr } = await here().caplv.run(['doctor', ...args]);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(3);
    expect(await names()).toEqual(['', '']);
  });

  test('asks for each on a terminal, and creates only what it may', async () => {
    const { exitCode, stdout } = await onTerminal(['doctor', '--fix'], ['y', 'n']);
    expect(stdout).toMatch(
      /the pool "default" does not exist\. Create it in \/var\/lib\/libvirt\/images, .*\? \[y\/N\]/,
    );
    expect(stdout).toMatch(
      /the network "default" does not exist\. Create it with NAT and DHCP in 192\.168\.122\.0\/24/,
    );
    expect(stdout).toMatch(/created the pool "default" in \/var\/lib\/libvirt\/images/);
    expect(stdout).toMatch(/^ok +pool/m);
    expect(stdout).toMatch(/^warning +network +"default" does not exist\s+fix: define it/m);
    expect(exitCode).toBe(0);
    expect(await names()).toEqual(['default', '']);
  });

  test('creates the rest without asking, the network in a range that no interface of the host has', async () => {
    const { exitCode, stdout, stderr } = await here().caplv.run(['doctor', '--fix', '--yes']);
    expect(stderr).toBe('created the network "default" in 192.168.123.0/24');
    expect(stdout).toMatch(/^ok +network +"default" is active/m);
    expect(exitCode).toBe(0);
    expect(await here().virsh('net-info', 'default')).toMatch(/Autostart: +yes/);
    expect(await here().virsh('pool-info', 'default')).toMatch(/State: +running[\s\S]*Autostart: +yes/);
  });

  test('changes nothing of what exists, and starts what is inactive', async () => {
    const definitions = async () => [
      await here().virsh('net-dumpxml', 'default', '--inactive'),
      await here().virsh('pool-dumpxml', 'default', '--inactive'),
    ];
    const before = await definitions();
    expect(await here().caplv.run(['doctor', '--fix', '--yes'])).toMatchObject({ exitCode: 0, stderr: '' });
    await here().virsh('net-destroy', 'default');
    const { stderr } = await here().caplv.run(['doctor', '--fix', '--yes']);
    expect(stderr).toBe('started the network "default"');
    expect(await definitions()).toEqual(before);
  });

  test('makes a host on which a machine runs', async () => {
    expect(await here().apply([machine('first', here().image)])).toMatchObject({ exitCode: 0 });
    expect(await here().domains()).toEqual(['default.first']);
    await here().caplv.read(['delete', 'machine', 'first', '--now']);
  });
});

test('a mistyped libvirt URI is refused with the one that was meant', async () => {
  const { exitCode, stderr } = await here().caplv.run(['doctor', '--libvirt-uri', 'qemu:/system']);
  expect(stderr).toMatch(
    /^error: --libvirt-uri: .*\[InvalidConfiguration\]\n {2}fix: did you mean qemu:\/\/\/system\?/,
  );
  expect(exitCode).toBe(3);
});

describe('a missing dependency stops an apply with its cause and its fix', () => {
  test('terraform', async () => {
    await expectRefusal(
      { ...home, PATH: bin },
      /Neither terraform nor tofu is in PATH \[TerraformNotFound\]\n {2}fix: install Terraform ≥ 1\.4 .*--terraform/,
    );
    await expectRefusal(
      { CAPLV_TERRAFORM: '/nowhere/terraform' },
      /\/nowhere\/terraform .*\[TerraformNotFound\]/,
    );
  });

  test('a terraform that is new enough', async () => {
    const old = await here().file('bin/terraform', `#!/bin/sh\necho '{"terraform_version": "1.3.9"}'\n`);
    await chmod(old, 0o755);
    await expectRefusal(
      { ...home, PATH: bin },
      /bin\/terraform is terraform 1\.3\.9, and caplv needs 1\.4 or later \[TerraformTooOld\]\n {2}fix: install Terraform ≥ 1\.4/,
    );
    expect(await doctor({ ...home, PATH: bin })).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^failed +terraform +.*1\.3\.9/m),
    });
    await rm(old);
  });

  test('the provider', async () => {
    const mirror = join(here().directory, 'mirror');
    await mkdir(mirror);
    // Nor is it fetched from the public registry.
    const config = `provider_installation {\n  filesystem_mirror {\n    path = "${mirror}"\n  }\n}\n`;
    const env = { ...home, TF_CLI_CONFIG_FILE: await here().file('terraformrc', config) };
    await expectRefusal(
      env,
      /The Terraform provider dmacvicar\/libvirt 0\.8\.3 is not on this machine .*\[ProviderNotFound\]\n {2}fix: put it into a filesystem mirror/,
    );
    expect(await doctor(env)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^failed +provider +.*0\.8\.3 is not on this machine/m),
    });
  });

  test('virsh', async () => {
    await rm(join(bin, 'virsh'));
    await expectRefusal(
      { ...home, PATH: bin },
      /virsh is not installed.*\[LibvirtUnreachable\]\n {2}fix: Install it: apt-get/,
    );
  });
});
