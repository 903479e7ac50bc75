/** Installs the Debian packages that labs need. */

import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { execa } from 'execa';

/**
 * None of them brings a service: not `libvirt-daemon-system` but `libvirt-daemon`, the mere programs, so that nothing is
 * started on this machine, now or at its next boot.
 */
const PACKAGES = [
  // libvirt and QEMU; BIOS and UEFI firmware.
  ...[
    'libvirt-daemon',
    'libvirt-daemon-driver-qemu',
    'libvirt-clients',
    'qemu-system-x86',
    'qemu-utils',
    'ovmf',
  ],
  // The lab's networks and namespaces.
  ...['dnsmasq-base', 'iptables', 'iproute2', 'util-linux', 'procps'],
  // The controller's image, its systemd unit (neither starts anything), and hosts over ssh.
  ...['mmdebstrap', 'systemd', 'systemd-container', 'openssh-client'],
  // Clocks that jump, in tests.
  'libfaketime',
  // What the Terraform provider calls: mkisofs and xsltproc. Terraform itself needs certificates.
  ...['genisoimage', 'xsltproc', 'ca-certificates'],
  // Compressed images.
  ...['bzip2', 'xz-utils', 'zstd'],
  // The guest image (and busybox unzips terraform).
  ...[
    'busybox-static',
    'syslinux',
    'syslinux-common',
    'syslinux-efi',
    'mtools',
    'dosfstools',
    'e2fsprogs',
    'fdisk',
    'cpio',
  ],
];

const POLICY = '/usr/sbin/policy-rc.d';

/** Installs what is missing; needs root for that only. */
export async function installDebianPackages(progress: (line: string) => void): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  const byHand = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) throw new Error(`Debian packages are missing; as root: ${byHand}`);
  progress(`installing Debian packages (20 s or more): ${missing.join(' ')}`);
  await apt(['update']);
  await withoutServiceStarts(() => apt(['install', '--no-install-recommends', ...missing]));
}

async function missingPackages(): Promise<string[]> {
  const query = await execa(
    'dpkg-query',
    ['--show', '--showformat=${db:Status-Status} ${Package}\n', ...PACKAGES],
    { reject: false },
  );
  if (query.code === 'ENOENT') {
    throw new Error(`the lab needs Debian 12 or later, or an equal system with: ${PACKAGES.join(' ')}`);
  }
  const installed = new Set(query.stdout.split('\n'));
  return PACKAGES.filter((name) => !installed.has(`installed ${name}`));
}

async function apt(command: string[]): Promise<void> {
  const options = ['--quiet', '--yes', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=120'];
  const result = await execa('apt-get', [...options, ...command], {
    all: true,
    reject: false,
    stdin: 'ignore',
    env: { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' },
  });
  if (!result.failed) return;
  const end = result.all.split('\n').slice(-15).join('\n');
  throw new Error(`apt-get ${command[0]} failed:\n${end}`);
}

/**
 * An upgrade that comes with a package may restart a service of the machine, its libvirt for example: forbid it for the
 * time of the installation. A policy that the machine has already is left as it is. Ours speaks only while this process
 * lives, so that one left by a crash does no harm.
 */
async function withoutServiceStarts(install: () => Promise<void>): Promise<void> {
  if (existsSync(POLICY)) return install();
  await writeFile(POLICY, `#!/bin/sh\nkill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`, {
    mode: 0o755,
  });
  try {
    await install();
  } finally {
    await rm(POLICY);
  }
}
