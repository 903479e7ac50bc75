/** Verifies what a user is told whose own libvirt does not answer. */

import { describe, expect, it } from 'vitest';
import { parseDistribution } from '../../../src/cli/doctor/distribution.ts';
import { type LocalLibvirt, localFix, parseGroup, socketFix } from '../../../src/cli/doctor/local-libvirt.ts';
import type { LibvirtErrorCode } from '../../../src/libvirt/libvirt-error.ts';

const LOCAL: LocalLibvirt = {
  daemon: 'libvirtd',
  user: 'anna',
  isMember: false,
  hasGroup: false,
  distribution: parseDistribution('ID=debian\n', 'x64'),
};

const CASES: readonly [string, LibvirtErrorCode, Partial<LocalLibvirt>, string | undefined][] = [
  [
    'nothing is installed',
    'virshMissing',
    { daemon: undefined },
    'sudo apt-get install libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils xsltproc',
  ],
  ['virsh alone is missing', 'virshMissing', {}, 'sudo apt-get install libvirt-clients'],
  [
    'virsh is there, the daemon is not',
    'unreachable',
    { daemon: undefined },
    'sudo apt-get install libvirt-daemon-system qemu-system-x86 qemu-utils xsltproc',
  ],
  ['libvirtd does not run', 'unreachable', {}, 'sudo systemctl enable --now libvirtd'],
  [
    'modular daemons do not run',
    'unreachable',
    { daemon: 'virtqemud' },
    'sudo systemctl enable --now virtqemud.socket virtnetworkd.socket virtstoraged.socket virtnodedevd.socket virtsecretd.socket virtproxyd.socket',
  ],
  [
    'the user is not in the group',
    'permission',
    {},
    'sudo usermod --append --groups libvirt anna; then log in again',
  ],
  [
    'the user is in the group since this login',
    'permission',
    { isMember: true },
    'anna is a member of the group libvirt, but was not yet at this login: log in again, or run "newgrp libvirt"',
  ],
  ['the login has the group, and is refused for another reason', 'permission', { hasGroup: true }, undefined],
  ['libvirt hangs', 'timeout', {}, undefined],
];

describe('what to do when', () => {
  it.each(CASES)('%s', (_, code, local, fix) => {
    expect(localFix(code, { ...LOCAL, ...local })).toBe(fix);
  });
});

it.each([
  ['libvirtd', 'sudo systemctl enable --now libvirtd.socket'],
  ['virtqemud', 'sudo systemctl enable --now virtproxyd.socket'],
] as const)('the socket of the provider is made by the right unit where %s runs', (daemon, fix) => {
  expect(socketFix({ daemon })).toBe(fix);
});

it.each([
  ['root:x:0:\nlibvirt:x:112:anna,ben\n', { gid: 112, members: ['anna', 'ben'] }],
  ['libvirt:x:112:\n', { gid: 112, members: [] }],
  ['libvirt-qemu:x:64055:anna\n', { gid: undefined, members: [] }],
  ['', { gid: undefined, members: [] }],
])('reads the members of the group out of %j', (text, group) => {
  expect(parseGroup(text, 'libvirt')).toEqual(group);
});
