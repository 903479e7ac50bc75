/** Gives the small guest of the lab an ssh server, by user data: the image has none. */

import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cached } from '../lab/cache.ts';

const PACKAGES = ['dropbear-bin', 'libtomcrypt1', 'libtommath1', 'libgmp10'];
const PROGRAMS = ['usr/sbin/dropbear', 'usr/bin/dropbearkey'];

/** What the guest announces on its console when it takes connections. */
export const SSH_READY = /caplv-guest ssh/;

/**
 * User data that starts dropbear, and does of cloud-init's work what is tested: `public-keys` of the meta-data may log in, as root.
 * Its host key is another one at each boot.
 */
export async function sshUserData(): Promise<string> {
  const archive = (await readFile(join(await dropbear(), 'root.tgz'))).toString('base64');
  return `#!/bin/sh
cd /
sed '1,/^exit 0$/d' "$0" | base64 -d | tar -xz
mkdir -p -m 700 /root /root/.ssh /etc/dropbear /dev/pts
mount -t devpts devpts /dev/pts
sed -n 's/.*"public-keys":\\["\\(.*\\)"\\].*/\\1/p' /seed/meta-data | sed 's/","/\\n/g' >/root/.ssh/authorized_keys
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
dropbearkey -t ed25519 -f /etc/dropbear/key >/dev/null 2>&1
dropbear -r /etc/dropbear/key -s
echo 'caplv-guest ssh' | tee -a /run/announcements >/dev/ttyS0
exit 0
${archive}
`;
}

/** Debian's dropbear with all libraries that it needs, packed. */
function dropbear(): Promise<string> {
  return cached('dropbear-debian', async (directory) => {
    const apt = execa({ cwd: directory, stdin: 'ignore' });
    // The package lists of a fresh machine are empty or old.
    await apt`apt-get download ${PACKAGES}`.catch(() =>
      apt`apt-get update`.then(() => apt`apt-get download ${PACKAGES}`),
    );
    const unpacked = join(directory, 'unpacked');
    for (const name of await readdir(directory)) {
      if (name.endsWith('.deb')) await apt`dpkg-deb -x ${name} ${unpacked}`;
    }
    const root = join(directory, 'root');
    for (const path of ['bin', 'lib', 'lib64']) await mkdir(join(root, path), { recursive: true });
    for (const program of PROGRAMS) {
      await cp(join(unpacked, program), join(root, 'bin', program.split('/').at(-1) ?? ''));
      for (const library of await librariesOf(
        join(unpacked, program),
        join(unpacked, 'usr/lib/x86_64-linux-gnu'),
      )) {
        const name = library.split('/').at(-1) ?? '';
        await cp(library, join(root, name.startsWith('ld-') ? 'lib64' : 'lib', name), { dereference: true });
      }
    }
    await apt`tar --create --gzip --file=root.tgz --directory=root .`;
    for (const name of await readdir(directory)) {
      if (name !== 'root.tgz') await rm(join(directory, name), { recursive: true });
    }
  });
}

async function librariesOf(program: string, directory: string): Promise<string[]> {
  const { stdout } = await execa('ldd', [program], { env: { LD_LIBRARY_PATH: directory } });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}
