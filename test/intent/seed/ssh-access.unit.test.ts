/** Verifies that public keys reach the guest, and that its own bootstrap data keeps its meaning. */

import { expect, test } from 'vitest';
import {
  type GivenAccess,
  readAuthorizedKeys,
  uniqueKeys,
  withIgnitionKeys,
} from '../../../src/intent/seed/ssh-access.ts';
import { PUBLIC_KEYS } from '../../api/public-keys.ts';

const { ed25519, ecdsa, rsa } = PUBLIC_KEYS;
const PATH = 'spec.providerSpec.sshAuthorizedKeys';

const given = (user?: string, authorizedKeys: string[] = [ed25519]): GivenAccess => ({
  access: { authorizedKeys, ...(user !== undefined && { user }) },
  path: PATH,
  subject: 'the keys',
});
const merged = (config: object, access = given()) =>
  JSON.parse(withIgnitionKeys(JSON.stringify(config), access));
const V3 = { ignition: { version: '3.4.0' } };

test('a file of keys is read as sshd reads it: comments and empty lines are passed over', () => {
  expect(readAuthorizedKeys(`# team\n\n${ed25519}\r\n  ${rsa}\n`, PATH, 'the file')).toEqual([ed25519, rsa]);
  expect(readAuthorizedKeys('', PATH, 'the file')).toEqual([]);
});

test.each([
  ['options, which cloud-init and Ignition treat in their own ways', `no-pty ${ed25519}`],
  ['half a key', ed25519.slice(0, 50)],
  ['a key of another type than it says', ed25519.replace('ssh-ed25519', 'ssh-rsa')],
  ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----'],
])('a line with %s is refused by its number and never quoted: it may be a secret', (_, line) => {
  const read = () => readAuthorizedKeys(`${rsa}\n${line}\n`, PATH, '"authorized_keys" of Secret "team"');
  expect(read).toThrow(
    expect.objectContaining({
      code: 'InvalidConfiguration',
      path: PATH,
      message: expect.stringContaining('line 2 of "authorized_keys" of Secret "team" is not a public key'),
    }),
  );
  expect(read).not.toThrow(expect.objectContaining({ message: expect.stringContaining(line) }));
});

test('a key that is given twice is one key, whatever its comment', () => {
  const [type, key] = ed25519.split(' ');
  expect(uniqueKeys([ed25519, rsa, `${type} ${key} other`, ed25519], PATH)).toEqual([ed25519, rsa]);
});

test('keys reach the user of the image in Ignition, and everything else stays as it was', () => {
  const config = { ...V3, storage: { files: [{ path: '/etc/motd', mode: 420 }] } };
  expect(merged(config)).toEqual({
    ...config,
    passwd: { users: [{ name: 'core', sshAuthorizedKeys: [ed25519] }] },
  });
  expect(merged(V3, given('admin')).passwd.users).toEqual([{ name: 'admin', sshAuthorizedKeys: [ed25519] }]);
});

test('a user that the Ignition configuration has keeps its fields, its place and its keys', () => {
  const core = { name: 'core', groups: ['wheel'], sshAuthorizedKeys: [ecdsa, `${ed25519} again`] };
  const passwd = { groups: [{ name: 'a' }], users: [{ name: 'a' }, core, { name: 'z' }] };
  expect(merged({ ...V3, passwd }, given(undefined, [ed25519, rsa])).passwd).toEqual({
    ...passwd,
    users: [{ name: 'a' }, { ...core, sshAuthorizedKeys: [...core.sshAuthorizedKeys, rsa] }, { name: 'z' }],
  });
  // Flatcar of earlier years.
  expect(merged({ ignition: { version: '2.3.0' } }).passwd.users).toHaveLength(1);
});

test('without keys an Ignition configuration stays as it is, byte for byte', () => {
  const config = '{ "ignition": {} }\n';
  expect(withIgnitionKeys(config, { ...given(), access: undefined })).toBe(config);
});

test.each([
  ['no version', {}, 'ignition.version'],
  ['a version that is not known', { ignition: { version: '4.0.0' } }, 'ignition.version'],
  [
    'a configuration in its place',
    { ignition: { version: '3.4.0', config: { replace: { source: 'https://a.example/b' } } } },
    'ignition.config.replace',
  ],
  ['users that are no list', { ...V3, passwd: { users: {} } }, 'passwd.users'],
  ['the user twice', { ...V3, passwd: { users: [{ name: 'core' }, { name: 'core' }] } }, 'twice'],
])('Ignition with %s is refused: the keys would be lost, or the guest would not boot', (_, config, says) => {
  expect(() => merged(config)).toThrow(
    expect.objectContaining({
      code: 'InvalidConfiguration',
      path: PATH,
      message: expect.stringContaining(says),
    }),
  );
});
