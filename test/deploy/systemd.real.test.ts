/** Verifies the systemd unit with a systemd of its own. */

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { PROGRAM } from '../cluster/controller-process.ts';
import { Lab } from '../lab/lab.ts';
import { PROVIDER } from './rootfs.ts';
import { SystemdMachine } from './systemd-machine.ts';

const SOON = { timeout: 60_000, interval: 200 };

let lab: Lab;
let machine: SystemdMachine;

beforeAll(async () => {
  lab = await Lab.up({ name: 'systemd', fresh: true });
  machine = await SystemdMachine.boot(lab.directory);
}, 600_000);

afterAll(async () => {
  await machine?.poweroff();
  await lab?.down();
});

/** Runs caplv on the objects of the service, as docs/operations.md describes. */
const caplv = (...args: readonly string[]) => {
  const settings = 'set -a; . /etc/caplv/caplv.env; CAPLV_STATE_DIR=/var/lib/caplv exec caplv "$@"';
  return machine.run('runuser', '-u', 'caplv', '--', 'sh', '-c', settings, 'sh', ...args);
};

test('the unit is installed as docs/operations.md says, and systemd has no complaint about it', async () => {
  // As the package of libvirt makes it.
  const { gid } = await stat(join(lab.hosts[0]?.directory ?? '', 'run/libvirt-sock'));
  await machine.run('groupadd', '--gid', String(gid), 'libvirt');
  const from = '/opt/caplv/deploy/systemd';
  await machine.run('install', '-m', '644', `${from}/caplv.sysusers`, '/usr/lib/sysusers.d/caplv.conf');
  await machine.run('install', '-m', '644', `${from}/caplv.service`, '/etc/systemd/system/caplv.service');
  await machine.run('systemd-sysusers');
  await machine.run('systemctl', 'daemon-reload');
  await introduce('caplv');
  const { exitCode, stdout, stderr } = await machine.try('systemd-analyze', 'verify', 'caplv.service');
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: '' });
});

test('the service starts, makes a machine, survives a crash, and stops in peace', async () => {
  const { CAPLV_LIBVIRT_URI, TF_CLI_CONFIG_FILE = '', PATH } = lab.env();
  await machine.open(process.execPath, PROGRAM, TF_CLI_CONFIG_FILE, PROVIDER);
  // The command that is installed, and not that of this checkout.
  const settings = Object.entries({
    CAPLV_LIBVIRT_URI,
    TF_CLI_CONFIG_FILE,
    PATH: `/usr/local/bin:${PATH}`,
  });
  await write('/etc/caplv/caplv.env', settings.map(([name, value]) => `${name}=${value}\n`).join(''));
  await machine.run('systemctl', 'start', 'caplv');
  await isReady();

  await write('/tmp/unit.yaml', manifest('unit'));
  await caplv('apply', '-f', '/tmp/unit.yaml');
  await vi.waitFor(async () => expect(await phase('unit')).toBe('Provisioned'), SOON);

  const before = await mainPid();
  await machine.run('kill', '-KILL', before);
  await vi.waitFor(async () => expect(await mainPid()).not.toMatch(new RegExp(`^(0|${before})$`)), SOON);
  await isReady();
  // It works, and not only runs.
  await caplv('delete', 'machine', 'unit', '--now');

  await machine.run('systemctl', 'stop', 'caplv');
  expect(await machine.run('systemctl', 'show', '--property=Result', '--value', 'caplv')).toBe('success');
});

/** To the lab's libvirtd, which is to run on the same machine and so would know its users and groups. */
async function introduce(user: string): Promise<void> {
  const sandbox = await lab.hosts[0]?.sandbox();
  for (const database of ['passwd', 'group']) {
    const entry = await machine.run('getent', database, user);
    const copy = join(lab.directory, database);
    const known = `cp /etc/${database} "$0" && echo "$1" >>"$0" && mount --bind "$0" /etc/${database}`;
    await sandbox?.run('sh', '-c', known, copy, entry);
  }
}

async function isReady(): Promise<void> {
  const fetched = `fetch('http://127.0.0.1:8080/readyz').then((answer) => process.exit(answer.ok ? 0 : 1))`;
  await vi.waitFor(() => machine.run(process.execPath, '-e', fetched), SOON);
}

async function mainPid(): Promise<string> {
  return machine.run('systemctl', 'show', '--property=MainPID', '--value', 'caplv');
}

async function phase(name: string): Promise<string | undefined> {
  return JSON.parse(await caplv('get', 'machine', name, '-o', 'json')).status?.phase;
}

/** Of a machine that is not started. */
function manifest(name: string): string {
  const providerSpec = { vcpu: 1, memoryMiB: 128, imageURI: lab.imagePath, running: false };
  return stringify({
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name },
    spec: { providerSpec },
  });
}

async function write(path: string, text: string): Promise<void> {
  await machine.run('mkdir', '--parents', dirname(path));
  await machine.run('sh', '-c', `cat >${path} <<'END'\n${text}END\n`);
}
