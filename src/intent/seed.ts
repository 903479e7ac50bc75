/**
 * Builds the seed: reads the bootstrap data that the manifest names, and renders its variables. The contents are secret.
 * NoCloud: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */

import { isMapping } from '../apimachinery/mapping.ts';
import { TerminalError } from '../errors.ts';
import { isIso, isoKey, localPath, readBytes, requireFetchable } from './bootstrap-source.ts';
import { isPacked, requireText, textOf } from './bootstrap-text.ts';
import { requireHeader } from './cloud-init.ts';
import type { SeedIntent } from './hosted-intent.ts';
import { isInfrastructure, type MachineIdentity, objectName, shortHash, volumeName } from './names.ts';
import type { Policy } from './policy.ts';
import { CloudInitSeed } from './seed/cloud-init-seed.ts';
import type { SeedFiles } from './seed/seed-iso.ts';
import { type GivenAccess, NO_ACCESS, publicKeys, withIgnitionKeys } from './seed/ssh-access.ts';
import { renderVariables, type UserDataVariables } from './user-data.ts';

/** The fields of a provider spec (or a bootstrap Secret) that say what the guest reads at its first boot. */
export interface BootstrapSource {
  /** As bytes: of a Secret, which may hold any. */
  readonly userData?: string | Uint8Array | undefined;
  readonly userDataURI?: string | undefined;
  readonly networkConfig?: string | undefined;
  readonly ignition?: string | Uint8Array | undefined;
  readonly ignitionURI?: string | undefined;
}

export interface SeedOptions {
  readonly machine: MachineIdentity;
  readonly pool: string;
  readonly variables: UserDataVariables;
  /** Where `source` stands in the manifest, for errors. */
  readonly path: string;
  /** Where servers may redirect to. */
  readonly policy: Policy;
  /** Field of `userData` or `ignition`, where that is not one below `path`: the one that names a Secret. */
  readonly dataPath?: string;
  /** The data is of a format that neither cloud-init nor Ignition reads: it may begin with anything. */
  readonly isForeign?: boolean;
  /** Passed on as it is: no variable is filled in, and what is packed stays packed where the guest can read that. */
  readonly isVerbatim?: boolean;
  /** Public keys for ssh that the guest is given beside its bootstrap data; absent: none. */
  readonly given?: GivenAccess;
}

/** Throws TerminalError UserDataNotFound or InvalidConfiguration, TransientError UserDataNotFound for a server that fails. */
export async function seedOf(source: BootstrapSource, options: SeedOptions): Promise<SeedIntent> {
  const { machine, pool, path, policy, dataPath, given = NO_ACCESS } = options;
  if (source.ignition !== undefined || source.ignitionURI !== undefined) {
    const field = source.ignition === undefined ? `${path}.ignitionURI` : (dataPath ?? `${path}.ignition`);
    const text = requireText(
      source.ignition ?? (await readBytes(source.ignitionURI ?? '', field, policy)),
      field,
    );
    const rendered = options.isVerbatim ? text : renderVariables(text, options.variables, field);
    requireJson(rendered, field);
    const content = withIgnitionKeys(rendered, given);
    const volume = volumeName(machine, `seed-${shortHash(content)}.ign`);
    // What a Machine of the original API needs of its identity, variables fill in; a stylesheet would replace its domain.
    const identity = { instanceId: machine.uid, hostname: objectName(machine) };
    return { kind: 'ignition', volume, pool, content, ...(isInfrastructure(machine) && { identity }) };
  }
  if (source.userDataURI !== undefined && (await isIso(source.userDataURI))) {
    if (given.access) throw unfitIso(given);
    const file = localPath(source.userDataURI);
    const iso = file ?? source.userDataURI;
    if (file === undefined) await requireFetchable(iso, `${path}.userDataURI`, policy);
    // The volume's name stands for its content: another ISO is another volume.
    return { kind: 'iso', volume: volumeName(machine, `seed-${await isoKey(iso)}.iso`), pool, source: iso };
  }
  return new CloudInitSeed(volumeName(machine, 'seed.iso'), pool, {
    ...(await userDataOf(source, options)),
    metaData: metaData(machine, given),
    ...(source.networkConfig === undefined
      ? {}
      : { networkConfig: await networkConfigOf(source.networkConfig, options) }),
  });
}

type UserData = Pick<SeedFiles, 'userData' | 'userDataEncoding'>;

/** Text, with its variables filled in unless it is verbatim. What is no text is passed on as it is, if it comes from a Secret. */
async function userDataOf(source: BootstrapSource, options: SeedOptions): Promise<UserData> {
  const { path, policy, variables, dataPath, isForeign = false, isVerbatim = false } = options;
  const { userData, userDataURI } = source;
  const field = userDataURI === undefined ? (dataPath ?? `${path}.userData`) : `${path}.userDataURI`;
  const content = userData ?? (userDataURI ? await readBytes(userDataURI, field, policy) : '#cloud-config\n');
  const decoded = userData instanceof Uint8Array ? textOf(userData, field) : undefined;
  const isBytes =
    userData instanceof Uint8Array && (decoded === undefined || (isVerbatim && isPacked(userData)));
  const bytes = isBytes ? Buffer.from(userData) : undefined;
  const render = (text: string) => (isVerbatim ? text : renderVariables(text, variables, field));
  const text = bytes ? (decoded ?? bytes.toString('latin1')) : render(requireText(content, field));
  if (!isForeign) requireHeader(text, field);
  return bytes ? { userData: bytes.toString('base64'), userDataEncoding: 'base64' } : { userData: text };
}

async function networkConfigOf(source: string, { path, variables }: SeedOptions): Promise<string> {
  const field = `${path}.networkConfig`;
  const text = renderVariables(requireText(source, field), variables, field);
  const { requireNetworkConfig } = await import('./seed/network-config.ts');
  requireNetworkConfig(text, field);
  return text;
}

/** Writes JSON, which is valid YAML with everything quoted. */
function metaData(machine: MachineIdentity, { access }: GivenAccess): string {
  const identity = { 'instance-id': machine.uid, 'local-hostname': objectName(machine) };
  return `${JSON.stringify({ ...identity, ...publicKeys(access) })}\n`;
}

function unfitIso({ path, subject }: GivenAccess): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: `the guest reads a seed ISO that is ready, so ${subject} cannot be written into it`,
    fix: 'write them into its meta-data as public-keys, and give the machine sshAuthorizedKeys: []',
  });
}

/** An object: of any other text the provider asks first whether there is a file of that name. */
function requireJson(content: string, path: string): void {
  if (isJsonObject(content)) return;
  // The parser's message quotes the text, which is secret.
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: 'the Ignition configuration is no JSON object',
    fix: 'convert Butane YAML with: butane --strict config.bu',
  });
}

function isJsonObject(content: string): boolean {
  try {
    return isMapping(JSON.parse(content));
  } catch {
    return false;
  }
}
