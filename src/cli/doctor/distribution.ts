/** Names the packages to install, by the Linux distribution of this machine. */

import { readFile } from 'node:fs/promises';

export type Family = 'debian' | 'fedora' | 'suse' | 'arch';
/** `client`: virsh. */
export type Part = 'libvirt' | 'qemu' | 'client' | 'xsltproc';

export interface Distribution {
  /** Undefined: one whose packages are not known. */
  readonly family: Family | undefined;
  /** For example `debian`; empty where the system does not say. */
  readonly id: string;
  /** As Node names it: `x64`, `arm64`. */
  readonly arch: string;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  debian: 'debian',
  ubuntu: 'debian',
  fedora: 'fedora',
  rhel: 'fedora',
  centos: 'fedora',
  opensuse: 'suse',
  'opensuse-leap': 'suse',
  'opensuse-tumbleweed': 'suse',
  suse: 'suse',
  sles: 'suse',
  arch: 'arch',
};

const COMMANDS: Readonly<Record<Family, string>> = {
  debian: 'sudo apt-get install',
  fedora: 'sudo dnf install',
  suse: 'sudo zypper install',
  arch: 'sudo pacman -S --needed',
};

const PACKAGES: Readonly<Record<Family, Readonly<Record<Part, readonly string[]>>>> = {
  debian: {
    libvirt: ['libvirt-daemon-system'],
    qemu: ['qemu-system-x86', 'qemu-utils'],
    client: ['libvirt-clients'],
    xsltproc: ['xsltproc'],
  },
  fedora: {
    libvirt: ['libvirt'],
    qemu: ['qemu-kvm', 'qemu-img'],
    client: ['libvirt-client'],
    xsltproc: ['libxslt'],
  },
  suse: {
    libvirt: ['libvirt-daemon-qemu', 'libvirt-daemon-config-network'],
    qemu: ['qemu-kvm', 'qemu-tools'],
    client: ['libvirt-client'],
    xsltproc: ['libxslt-tools'],
  },
  // dnsmasq is an optional dependency there, and no NAT network starts without it.
  arch: { libvirt: ['libvirt', 'dnsmasq'], qemu: ['qemu-base'], client: ['libvirt'], xsltproc: ['libxslt'] },
};

const WORDS: Readonly<Record<Part, string>> = {
  libvirt: 'libvirt',
  qemu: 'QEMU with KVM',
  client: 'virsh',
  xsltproc: 'xsltproc',
};

/** Reads which distribution this machine has. */
export async function thisDistribution(): Promise<Distribution> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return parseDistribution(text, process.arch);
}

/** Reads the text of /etc/os-release. */
export function parseDistribution(osRelease: string, arch: string): Distribution {
  const field = (name: string) =>
    new RegExp(`^${name}=["']?([^"'\n]*)["']?$`, 'm').exec(osRelease)?.[1] ?? '';
  const id = field('ID').toLowerCase();
  const names = [id, ...field('ID_LIKE').toLowerCase().split(/\s+/)];
  const known = names.find((name) => Object.hasOwn(FAMILIES, name));
  return { family: known === undefined ? undefined : FAMILIES[known], id, arch };
}

/** Formats what to type, or what to look for, to have these parts. */
export function installCommand(parts: readonly Part[], { family, arch }: Distribution): string {
  if (family === undefined) {
    return `install with the package manager of this machine: ${parts.map((part) => WORDS[part]).join(', ')}`;
  }
  const packages = [...new Set(parts.flatMap((part) => PACKAGES[family][part]))];
  const named = packages.map((name) =>
    name === 'qemu-system-x86' && arch === 'arm64' ? 'qemu-system-arm' : name,
  );
  return `${COMMANDS[family]} ${named.join(' ')}`;
}

/** Formats what to type to have Terraform or its fork, where the distribution packs one; undefined: see their own pages. */
export function installTerraform({ id }: Distribution): string | undefined {
  return id === 'fedora' ? 'sudo dnf install opentofu' : undefined;
}
