/** Builds the command line of ssh for a machine. Pure. */

import { type HostURI, isProblem, parseHostURI } from '../../libvirt/host-uri.ts';
import { quoteCommand } from '../../libvirt/virsh-command.ts';

export interface SshTarget {
  /** IP address of the guest. */
  readonly address: string;
  /** Undefined: ssh chooses. */
  readonly user: string | undefined;
  /** Name under which the host key of the guest is kept, whatever its address. */
  readonly alias: string;
  /** File that holds the host key of the guest. */
  readonly knownHosts: string;
  /** Undefined: the guest is reached directly. */
  readonly jump: string | HostURI | undefined;
  /** File of a private key; undefined: ssh chooses. */
  readonly identity: string | undefined;
  /** Ask for a terminal in the guest, also with a command. */
  readonly tty: boolean;
  /** Words for the shell of the guest; none: a login shell. */
  readonly command: readonly string[];
}

/** Returns the words after `ssh`. A host key that is not known yet is kept, and another one in its place refused. */
export function sshArguments(target: SshTarget): string[] {
  const { address, user, alias, knownHosts, jump, identity, tty, command } = target;
  const options = [
    `HostKeyAlias=${alias}`,
    `UserKnownHostsFile=${fileOption(knownHosts)}`,
    'StrictHostKeyChecking=accept-new',
    'HashKnownHosts=no',
  ];
  return [
    ...options.flatMap((option) => ['-o', option]),
    ...jumpArguments(jump),
    ...(identity === undefined ? [] : ['-i', identity]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(tty ? ['-t'] : []),
    address,
    // ssh reads options behind the address too.
    ...(command.length > 0 ? ['--', ...command] : []),
  ];
}

/** Returns the host of a libvirt URI whose network its guests may be in, if it is reached by ssh; undefined: any other. */
export function sshHostOf(uri: string): HostURI | undefined {
  const read = parseHostURI(uri);
  return isProblem(read) || read.transport !== 'ssh' ? undefined : read;
}

/** With `-J` ssh takes key and host keys from its own configuration; what the URI says of them needs a command. */
function jumpArguments(jump: SshTarget['jump']): string[] {
  if (jump === undefined) return [];
  if (typeof jump === 'string') return ['-J', jump];
  const { user, port, parameters } = jump;
  const host = jump.host.includes(':') ? `[${jump.host}]` : jump.host;
  const place = user === '' ? host : `${user}@${host}`;
  const options = uriOptions(parameters);
  if (options.length === 0) return ['-J', port === undefined ? place : `${place}:${port}`];
  const bare = user === '' ? jump.host : `${user}@${jump.host}`;
  const ports = port === undefined ? [] : ['-p', String(port)];
  return ['-o', `ProxyCommand=${quoteCommand(['ssh', ...options, ...ports, '-W', '[%h]:%p', bare])}`];
}

/** Says what libvirt's own ssh does for these parameters. */
function uriOptions(parameters: HostURI['parameters']): string[] {
  const keyfile = parameters.get('keyfile');
  const known = parameters.get('known_hosts') ?? parameters.get('knownhosts');
  const verify = parameters.get('known_hosts_verify');
  const isUnverified = parameters.get('no_verify') === '1' || verify === 'ignore';
  return [
    ...(keyfile === undefined ? [] : ['-i', keyfile]),
    ...(known === undefined ? [] : ['-o', `UserKnownHostsFile=${fileOption(known)}`]),
    ...(isUnverified ? ['-o', 'StrictHostKeyChecking=no'] : []),
    ...(verify === 'auto' ? ['-o', 'StrictHostKeyChecking=accept-new'] : []),
  ];
}

/** ssh divides the option at blanks, and replaces what begins with a percent sign. */
function fileOption(path: string): string {
  const written = path.replaceAll('%', '%%');
  return /\s/.test(written) ? `"${written}"` : written;
}
