/** Explains why the libvirt of this machine does not answer: not installed, not started, or not for this user. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { LibvirtErrorCode } from '../../libvirt/libvirt-error.ts';
import { type Distribution, installCommand } from './distribution.ts';

/** The socket that the Terraform provider connects to for `qemu:///system`. It knows none of those of libvirt's modular daemons. */
export const PROVIDER_SOCKET = '/var/run/libvirt/libvirt-sock';

const DIRECTORIES = ['/usr/sbin', '/usr/bin', '/usr/local/sbin'] as const;
const GROUP = 'libvirt';

export interface LocalLibvirt {
  /** Which daemon is installed: `libvirtd` does everything, `virtqemud` is one of several. */
  readonly daemon: 'libvirtd' | 'virtqemud' | undefined;
  readonly user: string;
  /** The group libvirt has the user as member. */
  readonly isMember: boolean;
  /** This login has the rights of the group. */
  readonly hasGroup: boolean;
  readonly distribution: Distribution;
}

export async function thisLibvirt(distribution: Distribution): Promise<LocalLibvirt> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const { username: user } = userInfo();
  const { gid, members } = parseGroup(groups, GROUP);
  return {
    daemon: (['libvirtd', 'virtqemud'] as const).find((name) =>
      DIRECTORIES.some((directory) => existsSync(`${directory}/${name}`)),
    ),
    user,
    isMember: members.includes(user),
    hasGroup: gid !== undefined && (process.getgroups?.() ?? []).includes(gid),
    distribution,
  };
}

/** Reads a line of /etc/group: `libvirt:x:112:anna,ben`. */
export function parseGroup(
  text: string,
  name: string,
): { readonly gid: number | undefined; readonly members: readonly string[] } {
  const line = text.split('\n').find((one) => one.startsWith(`${name}:`));
  const [, , gid, members = ''] = line?.split(':') ?? [];
  return { gid: gid === undefined ? undefined : Number(gid), members: members.split(',').filter(Boolean) };
}

/** Returns what mends an error of `qemu:///system`; undefined: what the error itself says. */
export function localFix(code: LibvirtErrorCode, local: LocalLibvirt): string | undefined {
  const { daemon, user, isMember, hasGroup, distribution } = local;
  if (code === 'virshMissing') {
    return installCommand(
      daemon === undefined ? ['libvirt', 'client', 'qemu', 'xsltproc'] : ['client'],
      distribution,
    );
  }
  if (code === 'unreachable') {
    if (daemon === undefined) return installCommand(['libvirt', 'qemu', 'xsltproc'], distribution);
    return startCommand(daemon);
  }
  if (code !== 'permission' || hasGroup) return undefined;
  return isMember
    ? `${user} is a member of the group ${GROUP}, but was not yet at this login: log in again, or run "newgrp ${GROUP}"`
    : `sudo usermod --append --groups ${GROUP} ${user}; then log in again`;
}

/** Returns what makes the socket of the provider appear. */
export function socketFix({ daemon }: Pick<LocalLibvirt, 'daemon'>): string {
  return daemon === 'libvirtd'
    ? 'sudo systemctl enable --now libvirtd.socket'
    : 'sudo systemctl enable --now virtproxyd.socket';
}

function startCommand(daemon: 'libvirtd' | 'virtqemud'): string {
  if (daemon === 'libvirtd') return 'sudo systemctl enable --now libvirtd';
  const drivers = ['qemu', 'network', 'storage', 'nodedev', 'secret', 'proxy'];
  return `sudo systemctl enable --now ${drivers.map((driver) => `virt${driver}d.socket`).join(' ')}`;
}
