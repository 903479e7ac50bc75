/** Fields that let people log in to guests by ssh: the same in the spec of a machine and of a cluster. */

import { z } from 'zod';
import { CONTROLS, DNS_SUBDOMAIN, libvirtText, text } from './field.ts';
import { withRules } from './rule.ts';

/** Kinds of public keys that sshd accepts, with the number of fields that a key of each has (RFC 4253, RFC 8709, PROTOCOL.u2f). */
const KEY_FIELDS: Readonly<Record<string, number>> = {
  'ssh-ed25519': 2,
  'ssh-rsa': 3,
  'ecdsa-sha2-nistp256': 3,
  'ecdsa-sha2-nistp384': 3,
  'ecdsa-sha2-nistp521': 3,
  'sk-ssh-ed25519@openssh.com': 3,
  'sk-ecdsa-sha2-nistp256@openssh.com': 4,
};

/** Enough for RSA of 8192 bits with a comment. */
const KEY_CHARACTERS = 1500;
/** Of a machine: its status holds them, and `clusterctl move` takes them along in an annotation. */
export const MAX_KEYS = 32;

export const PUBLIC_KEY_FORM =
  'the line of a public key file such as ~/.ssh/id_ed25519.pub, without options: ssh-ed25519 AAAA… COMMENT';

/** A public key for ssh: its type, itself, and a comment if there is one. */
export function sshPublicKey(): z.ZodString {
  const types = Object.keys(KEY_FIELDS).join('|').replaceAll('.', '[.]');
  const pattern = new RegExp(`^(${types}) AAAA[A-Za-z0-9+/]{40,}={0,2}( [^${CONTROLS}]*)?$`);
  return withRules(libvirtText(pattern, PUBLIC_KEY_FORM, KEY_CHARACTERS), [
    {
      fields: [],
      message: 'this public key is not whole, or its type is another one than it says',
      fix: 'copy the whole line of the file, for example of ~/.ssh/id_ed25519.pub',
      // CEL cannot decode the rest.
      cel: "self.split(' ').size() < 2 || self.split(' ')[1].size() % 4 == 0",
      check: isPublicKey,
    },
  ]);
}

/** Returns true if the text is a whole public key of the type that it names. */
function isPublicKey(line: string): boolean {
  const [type = '', encoded = ''] = line.split(' ');
  const blob = Buffer.from(encoded, 'base64');
  if (blob.toString('base64') !== encoded) return false;
  const fields: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return false;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  const isWhole = at === blob.length && fields.every((field) => field.length > 0);
  return isWhole && fields.length === KEY_FIELDS[type] && fields[0]?.toString('latin1') === type;
}

const keys = () => z.array(sshPublicKey()).max(MAX_KEYS).optional();
const secretName = () =>
  text(DNS_SUBDOMAIN, 'the name of a Secret, for example team-keys')
    .optional()
    .describe(
      'Secret of the same namespace whose key `authorized_keys` holds further public keys, one a line, as the file of that name does.',
    );
const user = () => text(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'a user name, for example debian', 32).optional();

/** Of a machine. */
export const machineSshFields = () => ({
  sshAuthorizedKeys: keys().describe(
    'Public keys for ssh, as in ~/.ssh/id_ed25519.pub. cloud-init gives them to the default user of the image, beside what the user data says; ' +
      'in Ignition they are added to the user sshUser, or core. They count when the machine is made; a later change reaches no guest and replaces ' +
      "nothing. Default: the cluster's keys, if sshAuthorizedKeysSecretName is absent as well; an empty list: none.",
  ),
  sshAuthorizedKeysSecretName: secretName(),
  sshUser: user().describe(
    "User that `caplv ssh` logs in as, for example debian: the default user of the image. With Ignition the keys are added to it. Default: the cluster's.",
  ),
});

/** Of a cluster, for its machines. */
export const clusterSshFields = () => ({
  sshAuthorizedKeys: keys().describe(
    'Public keys for ssh, as in ~/.ssh/id_ed25519.pub, for machines that have no sshAuthorizedKeys and no sshAuthorizedKeysSecretName of their own.',
  ),
  sshAuthorizedKeysSecretName: secretName(),
  sshUser: user().describe('User that `caplv ssh` logs in as on machines that have no sshUser of their own.'),
});
