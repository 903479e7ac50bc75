/** Verifies the command line that ssh is given for a machine. */

import { expect, test } from 'vitest';
import { type SshTarget, sshArguments, sshHostOf } from '../../../src/cli/commands/ssh-arguments.ts';

const TARGET: SshTarget = {
  address: '192.168.122.7',
  user: undefined,
  alias: 'web.default.0123',
  knownHosts: '/state/known_hosts/web.default.0123',
  jump: undefined,
  identity: undefined,
  tty: false,
  command: [],
};
const HOST_KEY = [
  ...['-o', 'HostKeyAlias=web.default.0123', '-o', 'UserKnownHostsFile=/state/known_hosts/web.default.0123'],
  ...['-o', 'StrictHostKeyChecking=accept-new', '-o', 'HashKnownHosts=no'],
];
const args = (change: Partial<SshTarget> = {}) =>
  sshArguments({ ...TARGET, ...change }).slice(HOST_KEY.length);
const through = (uri: string) => args({ jump: sshHostOf(uri) }).slice(0, -1);

test('the host key of the guest is kept by its name, in a file of its own, and never taken for another one', () => {
  expect(sshArguments(TARGET)).toEqual([...HOST_KEY, '192.168.122.7']);
  expect(sshArguments({ ...TARGET, knownHosts: '/my state/100%' })).toContain(
    'UserKnownHostsFile="/my state/100%%"',
  );
});

test('user, key, terminal and command are passed on; a command that looks like an option stays a command', () => {
  const command = ['-v', 'echo', 'a b'];
  expect(args({ user: 'debian', identity: '/key', tty: true, command })).toEqual([
    '-i',
    '/key',
    '-l',
    'debian',
    '-t',
    '192.168.122.7',
    '--',
    ...command,
  ]);
});

test.each([
  ['qemu+ssh://rack1/system', ['-J', 'rack1']],
  ['qemu+ssh://root@rack1:2222/system', ['-J', 'root@rack1:2222']],
  ['qemu+ssh://root@[2001:db8::1]/system', ['-J', 'root@[2001:db8::1]']],
  [
    'qemu+ssh://root@rack1:2222/system?keyfile=/k&knownhosts=/h&no_verify=1',
    [
      '-o',
      "ProxyCommand=ssh -i /k -o UserKnownHostsFile=/h -o StrictHostKeyChecking=no -p 2222 -W '[%h]:%p' root@rack1",
    ],
  ],
  [
    'qemu+ssh://[2001:db8::1]/system?known_hosts_verify=auto',
    ['-o', "ProxyCommand=ssh -o StrictHostKeyChecking=accept-new -W '[%h]:%p' 2001:db8::1"],
  ],
  ['qemu:///system', []],
  ['qemu+tcp://rack1/system', []],
  ['qemu+ssh://-oProxyCommand=x@rack1/system', []],
])('a guest behind %s is reached through it, as libvirt reaches it', (uri, expected) => {
  expect(through(uri)).toEqual(expected);
});

test('a person may name another way', () => {
  expect(args({ jump: 'ada@gate:22' })).toEqual(['-J', 'ada@gate:22', '192.168.122.7']);
});
