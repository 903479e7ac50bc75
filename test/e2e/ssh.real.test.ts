/** Verifies that the keys of a manifest let people log in, through the host that the guest is behind. Each test continues from the one before. */

import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import { PUBLIC_KEYS } from '../api/public-keys.ts';
import { startSshServer } from '../deploy/ssh-server.ts';
import { GuestConsole } from '../lab/guest-console.ts';
import { SSH_READY, sshUserData } from './guest-ssh-server.ts';
import { cluster, machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('ssh', { uplink: true });

let uri: string;
/** Path of the private key of a person; the public one is beside it. */
let key: string;
let userDataURI: string;

beforeAll(async () => {
  const { host } = here();
  const keys = await startSshServer(host);
  const keyfile = await here().file('id_host', keys.id_ed25519);
  const known = await here().file('known_hosts', keys.known_hosts);
  // libvirt hands ssh no file of host keys, and this machine's own is left alone.
  const command = await here().file('ssh', `#!/bin/sh\nexec ssh -o UserKnownHostsFile=${known} "$@"\n`);
  await chmod(keyfile, 0o600);
  await chmod(command, 0o755);
  uri = `qemu+ssh://root@${host.uplink?.address}/system?keyfile=${keyfile}&knownhosts=${known}&command=${command}`;
  key = join(here().directory, 'id_person');
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada@example.com', '-f', key]);
  userDataURI = await here().file('user-data', await sshUserData());
}, 120_000);

const publicKey = async () => (await readFile(`${key}.pub`, 'utf8')).trim();
const ssh = (...args: readonly string[]) => here().caplv.run(['ssh', 'web', '-i', key, ...args]);

/** `keys`: of the Cluster, for a machine that has none of its own. */
const objects = (...keys: readonly string[]) => [
  cluster('fujisan', { uri, sshAuthorizedKeys: keys, sshUser: 'root' }),
  machine('web', { ...here().image, running: true, userDataURI }),
];

test('a key of the Cluster lets its owner into the guest of a machine, through the host of the libvirt URI', async () => {
  const applied = await here().apply(objects(await publicKey()), ['--wait=3m']);
  expect(applied).toMatchObject({ exitCode: 0 });
  const console = await GuestConsole.open(here().host.uri, 'default.web');
  await console.ask(SSH_READY, AbortSignal.timeout(60_000));
  await console.close();
  const first = await ssh('--', 'id -un; exit 7');
  expect(first).toMatchObject({ exitCode: 7, stdout: 'root' });
  expect(first.stderr).toMatch(/Permanently added 'web\.default\.[0-9a-f]+'/);
  const { exitCode, stderr } = await here().caplv.run(['ssh', 'web', '-i', key], { input: 'exit 3\n' });
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 3, stderr: expect.not.stringContaining('added') });
});

test('other keys after that change nothing on the host: the disk of the guest is not replaced for them', async () => {
  const volumes = await here().volumes();
  const applied = await here().apply(objects(PUBLIC_KEYS.rsa));
  expect(applied).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('machine/web unchanged') });
  expect(await here().apply(objects())).toMatchObject({ exitCode: 0 });
  expect(await here().plan(objects())).toMatchObject({ exitCode: 0 });
  expect(await here().volumes()).toEqual(volumes);
  const { status } = await here().machine('web');
  expect(status.providerStatus.pinned.sshAccess).toEqual({ authorizedKeys: [await publicKey()] });
});

test('a guest with another host key than before is refused, until a person says that it may have one', async () => {
  const directory = join(here().stateDir, 'known_hosts');
  const [alias = ''] = await readdir(directory);
  const other = (await publicKey()).split(' ').slice(0, 2).join(' ');
  await writeFile(join(directory, alias), `${alias} ${other}\n`);
  const refused = await ssh('--', 'true');
  expect(refused).toMatchObject({ exitCode: 255, stdout: '' });
  expect(refused.stderr).toMatch(/HOST IDENTIFICATION HAS CHANGED[\s\S]*caplv ssh web --new-host-key/);
  expect(await ssh('--new-host-key', '--', 'true')).toMatchObject({ exitCode: 0 });
});

test('the user of a flag counts before that of the Cluster, and a key that is not there opens nothing', async () => {
  const refused = await ssh('-l', 'nobody', '--', 'true');
  expect(refused).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('the user was nobody') });
  const printed = await here().caplv.read([
    'ssh',
    'web',
    '--print',
    '-J',
    'ada@rack1:2222',
    '--',
    'echo',
    'a b',
  ]);
  expect(printed).toMatch(
    /^ssh -o HostKeyAlias=web\.default\.\S+ .* -J ada@rack1:2222 -l root 192\.168\.122\.\d+ -- echo 'a b'$/,
  );
});
