/** Runs sshd on a host of the lab, for root, on port 22 of its own address, as people reach libvirt on other machines. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cached } from '../lab/cache.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';

/** Files of `~/.ssh` of a client that may connect. */
export interface SshKeys {
  readonly id_ed25519: string;
  readonly known_hosts: string;
}

/** The host must have an uplink. sshd ends with its sandbox. */
export async function startSshServer(host: LibvirtHost): Promise<SshKeys> {
  const unpacked = await unpackedSshServer();
  const directory = join(host.directory, 'ssh');
  const file = (name: string) => join(directory, name);
  await mkdir(directory, { mode: 0o700 });
  for (const name of ['host', 'id_ed25519']) {
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)], { stdin: 'ignore' });
  }
  // It requires a user of its own, which Debian creates with the service.
  const passwd = `${await readFile('/etc/passwd', 'utf8')}sshd:x:64056:65534::/run/sshd:/usr/sbin/nologin\n`;
  await writeFile(file('passwd'), passwd);
  const settings = {
    HostKey: file('host'),
    AuthorizedKeysFile: file('id_ed25519.pub'),
    PermitRootLogin: 'prohibit-password',
    StrictModes: 'no',
  };
  await writeFile(
    file('config'),
    Object.entries(settings)
      .map((pair) => `${pair.join(' ')}\n`)
      .join(''),
  );
  const sandbox = await host.sandbox();
  await sandbox.run('mount', '--bind', file('passwd'), '/etc/passwd');
  await sandbox.run('mkdir', '/run/sshd');
  const libraries = `LD_LIBRARY_PATH=${join(unpacked, 'usr/lib/x86_64-linux-gnu')}`;
  await sandbox.run('env', libraries, join(unpacked, 'usr/sbin/sshd'), '-f', file('config'));
  const [type, key] = (await readFile(file('host.pub'), 'utf8')).split(' ');
  return {
    id_ed25519: await readFile(file('id_ed25519'), 'utf8'),
    known_hosts: `${host.uplink?.address} ${type} ${key}\n`,
  };
}

/** Debian's package, unpacked and not installed: that would start a service on this machine. */
function unpackedSshServer(): Promise<string> {
  return cached('openssh-server-debian', async (directory) => {
    const apt = execa({ cwd: directory, stdin: 'ignore' });
    const packages = ['openssh-server', 'libwrap0'];
    // The package lists of a fresh machine are empty or old.
    await apt`apt-get download ${packages}`.catch(() =>
      apt`apt-get update`.then(() => apt`apt-get download ${packages}`),
    );
    for (const name of await readdir(directory)) await apt`dpkg-deb -x ${name} .`;
  });
}
