/** Builds the root file system of a Kubernetes node. */

import { chmod, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { debootstrap } from '../debootstrap.ts';
import type { NodePrograms } from './node-programs.ts';

/** Its containerd 1.6 is the last that kubelet 1.36 takes without a word, and the last kubelet that takes it. */
export const DEBIAN_RELEASE = 'bookworm';

const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod', 'procps', 'e2fsprogs', 'netbase'],
  ...['linux-image-cloud-amd64', 'cloud-init', 'qemu-guest-agent', 'ca-certificates', 'sudo'],
  ...['containerd', 'runc', 'conntrack', 'socat', 'ethtool', 'ebtables', 'iptables', 'nftables'],
  ...['iproute2', 'iputils-ping', 'curl'],
];
const CNI_PACKAGE = 'containernetworking-plugins';
const CNI_PLUGINS = ['bridge', 'host-local', 'loopback', 'portmap'];

const FILES = join(import.meta.dirname, 'root');
const CUSTOMIZE = join(import.meta.dirname, 'customize-root.sh');

/** Makes the root file system of a node, without container images, in the directory: about a minute, 650 MB. Needs root. */
export async function rootTree(root: string, programs: NodePrograms): Promise<void> {
  await debootstrap({
    release: DEBIAN_RELEASE,
    packages: PACKAGES,
    target: root,
    // The image has an initial RAM disk of its own.
    flags: ['--essential-hook=printf "do_symlinks = no\\ndo_initrd = no\\n" >"$1/etc/kernel-img.conf"'],
  });
  await installPlugins(root);
  for (const name of ['kubeadm', 'kubelet'] as const) {
    await cp(programs[name], join(root, 'usr/bin', name));
    await chmod(join(root, 'usr/bin', name), 0o755);
  }
  await mkdir(join(root, 'etc/kubernetes/manifests'), { recursive: true });
  await cp(FILES, root, { recursive: true });
  await execa(CUSTOMIZE, [root]);
}

/** Installs only the plugins of the package: the rest is half as large as the root file system. */
async function installPlugins(root: string): Promise<void> {
  const work = await mkdtemp(`${root}-cni-`);
  try {
    // apt-get runs its download as user _apt when it may write there.
    await chmod(work, 0o755);
    const run = execa({ cwd: work, stdin: 'ignore' });
    await run('apt-get', ['download', CNI_PACKAGE]).catch(async () => {
      await run('apt-get', ['update']);
      await run('apt-get', ['download', CNI_PACKAGE]);
    });
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (!archive) throw new Error(`apt-get download ${CNI_PACKAGE} gave no .deb file`);
    await run('dpkg-deb', ['-x', archive, 'unpacked']);
    await mkdir(join(root, 'usr/lib/cni'), { recursive: true });
    for (const name of CNI_PLUGINS)
      await cp(join(work, 'unpacked/usr/lib/cni', name), join(root, 'usr/lib/cni', name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
