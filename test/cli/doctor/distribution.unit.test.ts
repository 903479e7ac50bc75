/** Verifies which packages a user of each distribution is told to install. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { installCommand, installTerraform, parseDistribution } from '../../../src/cli/doctor/distribution.ts';
import { localFix } from '../../../src/cli/doctor/local-libvirt.ts';

const DEBIAN =
  'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n';
const UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n';
const MINT = 'NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n';
const FEDORA = 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=42\n';
const ROCKY = 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\n';
const LEAP = 'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\n';
const TUMBLEWEED = "NAME='openSUSE Tumbleweed'\nID='opensuse-tumbleweed'\nID_LIKE='opensuse suse'\n";
const ARCH = 'NAME="Arch Linux"\nID=arch\n';
const MANJARO = 'NAME="Manjaro Linux"\nID=manjaro\nID_LIKE=arch\n';
const NIXOS = 'NAME=NixOS\nID=nixos\n';

describe('what installs libvirt and QEMU on', () => {
  it.each([
    ['Debian', DEBIAN, 'sudo apt-get install libvirt-daemon-system qemu-system-x86 qemu-utils'],
    ['Ubuntu', UBUNTU, 'sudo apt-get install libvirt-daemon-system qemu-system-x86 qemu-utils'],
    [
      'what derives from Ubuntu',
      MINT,
      'sudo apt-get install libvirt-daemon-system qemu-system-x86 qemu-utils',
    ],
    ['Fedora', FEDORA, 'sudo dnf install libvirt qemu-kvm qemu-img'],
    ['what derives from RHEL', ROCKY, 'sudo dnf install libvirt qemu-kvm qemu-img'],
    [
      'openSUSE Leap',
      LEAP,
      'sudo zypper install libvirt-daemon-qemu libvirt-daemon-config-network qemu-kvm qemu-tools',
    ],
    [
      'openSUSE Tumbleweed',
      TUMBLEWEED,
      'sudo zypper install libvirt-daemon-qemu libvirt-daemon-config-network qemu-kvm qemu-tools',
    ],
    ['Arch', ARCH, 'sudo pacman -S --needed libvirt dnsmasq qemu-base'],
    ['what derives from Arch', MANJARO, 'sudo pacman -S --needed libvirt dnsmasq qemu-base'],
    ['another', NIXOS, 'install with the package manager of this machine: libvirt, QEMU with KVM'],
    ['one that does not say', '', 'install with the package manager of this machine: libvirt, QEMU with KVM'],
    ['one with a name of JavaScript', 'ID=constructor\n', /^install with the package manager/],
  ])('%s', (_, osRelease, command) => {
    expect(installCommand(['libvirt', 'qemu'], parseDistribution(osRelease, 'x64'))).toMatch(command);
  });
});

it('the pages for new users name the same packages and services', () => {
  const page = readFileSync(new URL('../../../docs/quickstart.md', import.meta.url), 'utf8');
  const lines = page.split('\n');
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8').split('\n');
  expect(readme).toContain(
    installCommand(['libvirt', 'client', 'qemu', 'xsltproc'], parseDistribution(DEBIAN, 'x64')),
  );
  for (const osRelease of [DEBIAN, FEDORA]) {
    const distribution = parseDistribution(osRelease, 'x64');
    expect(lines).toContain(installCommand(['libvirt', 'client', 'qemu', 'xsltproc'], distribution));
    const local = {
      daemon: 'virtqemud',
      user: '"$USER"',
      isMember: false,
      hasGroup: false,
      distribution,
    } as const;
    expect(lines).toContain(localFix('unreachable', local));
    expect(`${localFix('permission', local)}`.split(';')).toContainEqual(
      lines.find((line) => line.startsWith('sudo usermod')),
    );
  }
});

it('names QEMU for the processor of the machine', () => {
  expect(installCommand(['qemu'], parseDistribution(DEBIAN, 'arm64'))).toBe(
    'sudo apt-get install qemu-system-arm qemu-utils',
  );
});

it('names a package once that has two of the parts', () => {
  expect(installCommand(['libvirt', 'client', 'xsltproc'], parseDistribution(ARCH, 'x64'))).toBe(
    'sudo pacman -S --needed libvirt dnsmasq libxslt',
  );
});

it('names OpenTofu where the distribution packs it', () => {
  expect(installTerraform(parseDistribution(FEDORA, 'x64'))).toBe('sudo dnf install opentofu');
  expect(installTerraform(parseDistribution(ROCKY, 'x64'))).toBeUndefined();
  expect(installTerraform(parseDistribution(DEBIAN, 'x64'))).toBeUndefined();
});
