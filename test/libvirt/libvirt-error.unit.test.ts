/** Verifies that messages of virsh become errors with a cause and a fix. */

import { expect, test } from 'vitest';
import { redactText, redactUri, unattendedUri } from '../../src/libvirt/host-uri.ts';
import { LibvirtError, MESSAGE_CHARACTERS, STDERR_CHARACTERS } from '../../src/libvirt/libvirt-error.ts';

const connect = 'error: failed to connect to the hypervisor\nerror: ';

test.each([
  // Recorded from virsh 9.0, but for those marked.
  [
    'unreachable',
    "Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory",
    /Start libvirt/,
  ],
  [
    'unreachable',
    "Failed to connect socket to '/run/libvirt/libvirt-sock': Connection refused",
    /Start libvirt/,
  ],
  ['unreachable', "unable to connect to server at '127.0.0.1:9': Connection refused", /host1 is up/],
  [
    'unreachable',
    "Unable to resolve address 'host1' service '16509': Name or service not known",
    /host1 is up/,
  ],
  [
    'unreachable',
    'Cannot recv data: ssh: connect to host host1 port 22: Connection refused: Connection reset by peer',
    /host1 is up/,
  ],
  [
    'permission',
    "Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied",
    /group libvirt/,
  ],
  // From OpenSSH's source.
  [
    'permission',
    'Cannot recv data: Host key verification failed.: Connection reset by peer',
    /ssh-keyscan host1/,
  ],
  [
    'permission',
    'Cannot recv data: root@host1: Permission denied (publickey,password).: Connection reset by peer',
    /ssh key on host1/,
  ],
  ['permission', "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory", /pkipath/],
  // From libvirt's source.
  [
    'permission',
    "authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'",
    /group libvirt/,
  ],
  [
    'invalidUri',
    "no connection driver available for URI 'nonsense' does not include a driver name",
    /qemu:\/\/\/system/,
  ],
  [
    'invalidUri',
    "internal error: unexpected qemu URI path '/sytem', try qemu:///system",
    /qemu:\/\/\/system/,
  ],
  [
    'invalidUri',
    'invalid argument: remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)',
    /qemu:\/\/\/system/,
  ],
])('no connection, %s: %s', (code, cause, fix) => {
  const error = LibvirtError.fromStderr('qemu+ssh://root@host1/system', 'list --all', connect + cause);
  expect(error.code).toBe(code);
  expect(error.fix).toMatch(fix);
  expect(error.message).toBe(`libvirt at qemu+ssh://root@host1/system: ${cause}`);
  expect(error.isConnectionFault).toBe(true);
});

test.each([
  ['notFound', "error: failed to get domain 'nope'"],
  [
    'notFound',
    "error: Failed to update network default\nerror: Requested operation is not valid: couldn't locate a matching dhcp host entry in network 'default'",
  ],
  [
    'notFound',
    "error: failed to get pool 'x'\nerror: Storage pool not found: no storage pool with matching name 'x'",
  ],
  [
    'notFound',
    "error: failed to get vol 'x'\nerror: Storage volume not found: no storage vol with matching path 'x'",
  ],
  [
    'notFound',
    "error: failed to get network 'x'\nerror: Network not found: no network with matching name 'x'",
  ],
  [
    'other',
    "error: failed to get vol 'x'\nerror: Requested operation is not valid: storage pool 'x' is not active",
  ],
  ['other', "error: Failed to delete vol x\nerror: cannot unlink file '/img/x': Permission denied"],
])('about an object, %s: %s', (code, stderr) => {
  const error = LibvirtError.fromStderr('qemu:///system', 'vol-dumpxml', stderr);
  expect(error.code).toBe(code);
  expect(error.isConnectionFault).toBe(false);
});

test('a daemon that ends while it is asked is no answer about any object', () => {
  const stderr =
    'error: Disconnected from qemu:///system due to end of file\nerror: internal error: client socket is closed';
  const error = LibvirtError.fromStderr('qemu:///system', 'list', stderr);
  expect(error.code).toBe('unreachable');
  expect(error.isConnectionFault).toBe(true);
});

test('a password in the URI is shown nowhere', () => {
  const uri = 'qemu+tcp://admin:s3cret@host1/system';
  expect(redactUri(uri)).toBe('qemu+tcp://admin:***@host1/system');
  expect(redactText(`Disconnected from ${uri}: s3cret refused`, uri)).toBe(
    'Disconnected from qemu+tcp://admin:***@host1/system: *** refused',
  );
  expect(redactUri('qemu+tcp://admin:s3@cret@host1/system')).toBe('qemu+tcp://admin:***@host1/system');
  expect(redactUri('qemu+unix:///system?socket=/a:b@c')).toBe('qemu+unix:///system?socket=/a:b@c');
});

test('ssh may not prompt, since no person would answer', () => {
  expect(unattendedUri('qemu+ssh://h/system')).toBe('qemu+ssh://h/system?no_tty=1');
  expect(unattendedUri('qemu+ssh://h/system?keyfile=/k')).toBe('qemu+ssh://h/system?keyfile=/k&no_tty=1');
  expect(unattendedUri('qemu+ssh://h/system?no_tty=0')).toBe('qemu+ssh://h/system?no_tty=0');
  expect(unattendedUri('qemu:///system')).toBe('qemu:///system');
});

test('a text that was crafted to be slow is matched quickly, and kept in part', () => {
  const slow = `error: ${'failed to connect socket '.repeat(40_000)}`;
  const error = LibvirtError.fromStderr('test:///default', 'list', slow);
  expect(error.stderr).toHaveLength(STDERR_CHARACTERS + 1);
  expect(error.message.length).toBeLessThanOrEqual(MESSAGE_CHARACTERS + 100);
});

test('output is kept whole up to a limit, and from both ends beyond it', () => {
  const said = (length: number) => `error: outer\n${'x'.repeat(length - 26)}\nerror: inner`;
  const kept = (length: number) => LibvirtError.fromStderr('test:///default', 'list', said(length));
  expect(kept(STDERR_CHARACTERS).stderr).toBe(said(STDERR_CHARACTERS));
  expect(kept(STDERR_CHARACTERS + 1).stderr).not.toBe(said(STDERR_CHARACTERS + 1));
  expect(kept(STDERR_CHARACTERS + 1_000_000).message).toBe('libvirt at test:///default: inner');
});
