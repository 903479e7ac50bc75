/** Gives a guest the public keys of those who may log in, without a change of what its bootstrap data says. */

import type { Pinned } from '../../api/kinds/machine.ts';
import { fieldProblems } from '../../api/schema/problem.ts';
import { MAX_KEYS, PUBLIC_KEY_FORM, sshPublicKey } from '../../api/schema/ssh-access.ts';
import { isMapping } from '../../apimachinery/mapping.ts';
import { TerminalError } from '../../errors.ts';

export type SshAccess = NonNullable<Pinned['sshAccess']>;

/** Public keys, and what gave them. */
export interface GivenAccess {
  /** Undefined: no keys. */
  readonly access: SshAccess | undefined;
  /** Field that names them, for errors. */
  readonly path: string;
  /** How errors name them: "the keys of …". */
  readonly subject: string;
}

export const NO_ACCESS: GivenAccess = { access: undefined, path: '', subject: '' };

/** The user that the images of Fedora CoreOS and Flatcar have. */
const IGNITION_USER = 'core';

/**
 * Reads the lines of an authorized_keys file. Empty lines and comments are passed over.
 * @throws TerminalError InvalidConfiguration with `path` for too many keys, or with the number of a line that is none; never with its text
 */
export function readAuthorizedKeys(text: string, path: string, subject: string): string[] {
  const refusal = (message: string, fix: string) =>
    new TerminalError({ code: 'InvalidConfiguration', path, message, fix });
  const lines = text.split(/\r?\n/).flatMap((line, index) => {
    const key = line.trim();
    return key === '' || key.startsWith('#') ? [] : [{ key, number: index + 1 }];
  });
  if (lines.length > MAX_KEYS)
    throw refusal(`${subject} has ${lines.length} public keys`, `give a machine at most ${MAX_KEYS}`);
  const schema = sshPublicKey();
  const wrong = lines.find(({ key }) => fieldProblems(schema, key).length > 0);
  if (wrong)
    throw refusal(`line ${wrong.number} of ${subject} is not a public key for ssh`, `use ${PUBLIC_KEY_FORM}`);
  return lines.map(({ key }) => key);
}

/**
 * Returns the keys without repetitions; another comment does not make another key.
 * @throws TerminalError InvalidConfiguration with `path` for more than a machine may have
 */
export function uniqueKeys(keys: readonly string[], path: string): string[] {
  const known = new Set<string>();
  const unique = keys.filter((key) => known.size < known.add(identityOf(key)).size);
  if (unique.length <= MAX_KEYS) return unique;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: `these are ${unique.length} public keys, with those of the Secret`,
    fix: `give a machine at most ${MAX_KEYS}`,
  });
}

/** Type and key. */
function identityOf(key: string): string {
  return key.split(' ', 2).join(' ');
}

/** Returns what meta-data has for cloud-init: keys of the default user of the image, beside those in user data. */
export function publicKeys(access: SshAccess | undefined): { 'public-keys'?: readonly string[] } {
  return access === undefined ? {} : { 'public-keys': access.authorizedKeys };
}

/**
 * Adds the keys to a user of an Ignition configuration. Nothing else of it changes: Ignition joins the keys of a user with those of
 * configurations that this one merges.
 * @throws TerminalError InvalidConfiguration for a configuration in which that has another meaning, or none
 */
export function withIgnitionKeys(config: string, { access, path, subject }: GivenAccess): string {
  if (access === undefined) return config;
  const refusal = (message: string) =>
    new TerminalError({
      code: 'InvalidConfiguration',
      path,
      message: `${subject} cannot be added to the Ignition configuration: ${message}`,
      fix: 'write them in its passwd.users, and give the machine sshAuthorizedKeys: []',
    });
  const read: unknown = JSON.parse(config);
  const root = mapping(read);
  const ignition = mapping(root['ignition']);
  const version = String(ignition['version'] ?? '');
  if (!/^[23]\.\d+\.\d+/.test(version)) throw refusal('its ignition.version is not 2.x or 3.x');
  const { source } = mapping(mapping(ignition['config'])['replace']);
  if (source !== undefined && source !== null)
    throw refusal('it is replaced by the one that ignition.config.replace names');
  const passwd = root['passwd'] ?? {};
  if (!isMapping(passwd)) throw refusal('its passwd is not a mapping');
  const users = passwd['users'] ?? [];
  if (!Array.isArray(users)) throw refusal('its passwd.users is not a list');
  const name = access.user ?? IGNITION_USER;
  const [own, ...others] = users.filter((user) => mapping(user)['name'] === name);
  if (others.length > 0) throw refusal(`its passwd.users has "${name}" twice`);
  const before = mapping(own)['sshAuthorizedKeys'] ?? [];
  if (!Array.isArray(before)) throw refusal(`sshAuthorizedKeys of its user "${name}" is not a list`);
  const known = new Set(before.map((key) => identityOf(String(key).trim())));
  const added = access.authorizedKeys.filter((key) => !known.has(identityOf(key)));
  const user = { ...(isMapping(own) ? own : { name }), sshAuthorizedKeys: [...before, ...added] };
  const all = own === undefined ? [...users, user] : users.map((one) => (one === own ? user : one));
  return JSON.stringify({ ...root, passwd: { ...passwd, users: all } });
}

function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return isMapping(value) ? value : {};
}
