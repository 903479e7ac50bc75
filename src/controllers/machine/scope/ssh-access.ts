/** Finds the public keys that a machine is made with: its own, else those of its Cluster. */

import { clusterProviderSpec } from '../../../api/kinds/cluster.ts';
import type { LibvirtMachineProviderSpec } from '../../../api/kinds/machine-provider-spec.ts';
import { SecretKind, secretValue } from '../../../api/kinds/secret.ts';
import { TransientError } from '../../../errors.ts';
import { isInfrastructure, objectName } from '../../../intent/names.ts';
import {
  type GivenAccess,
  NO_ACCESS,
  readAuthorizedKeys,
  uniqueKeys,
} from '../../../intent/seed/ssh-access.ts';
import type { Store } from '../../../store/store.ts';
import type { PlacedMachine } from './placed-machine.ts';

/** The entry of the Secret, named as the file in `~/.ssh`. */
const ENTRY = 'authorized_keys';

const FIELDS = ['sshAuthorizedKeysSecretName', 'sshAuthorizedKeys'] as const;

type KeySource = Pick<LibvirtMachineProviderSpec, (typeof FIELDS)[number]>;

/**
 * A machine that was made keeps the keys that its guest was given: others would make another seed, and with it another disk.
 * Throws TransientError UserDataNotFound while the Secret is missing, TerminalError InvalidConfiguration for what is no key in it.
 */
export async function sshAccess(store: Store, placed: PlacedMachine): Promise<GivenAccess> {
  const { machine, spec, cluster } = placed;
  const { source, path, subject } = keySource(placed);
  const { appliedHash, pinned } = machine.status?.providerStatus ?? {};
  if (appliedHash !== undefined && pinned !== undefined) return { access: pinned.sshAccess, path, subject };
  const { sshAuthorizedKeys = [], sshAuthorizedKeysSecretName: name } = source;
  const ofSecret = name === undefined ? [] : await keysOfSecret(store, placed, name, path);
  const authorizedKeys = uniqueKeys([...sshAuthorizedKeys, ...ofSecret], path);
  if (authorizedKeys.length === 0) return NO_ACCESS;
  const user = spec.sshUser ?? (cluster && clusterProviderSpec(cluster).sshUser);
  return { access: { authorizedKeys, ...(user !== undefined && { user }) }, path, subject };
}

/** What gives the keys. A Cluster is another object: the Machine's field that leads to it is named. */
function keySource({
  spec,
  path,
  cluster,
}: PlacedMachine): Omit<GivenAccess, 'access'> & { source: KeySource } {
  const own = FIELDS.find((name) => spec[name] !== undefined);
  if (own !== undefined || cluster === undefined)
    return { source: spec, path: `${path}.${own ?? FIELDS[0]}`, subject: 'the keys' };
  const kind = isInfrastructure(cluster.metadata) ? 'LibvirtCluster' : 'Cluster';
  const subject = `the sshAuthorizedKeys of ${kind} "${objectName(cluster.metadata)}"`;
  return { source: clusterProviderSpec(cluster), path: 'spec.clusterName', subject };
}

async function keysOfSecret(
  store: Store,
  { identity: { namespace } }: PlacedMachine,
  name: string,
  path: string,
): Promise<string[]> {
  const secret = await store.get(SecretKind, { namespace, name });
  const text = secret && secretValue(secret, ENTRY);
  if (text !== undefined) return readAuthorizedKeys(text, path, `"${ENTRY}" of Secret "${name}"`);
  throw new TransientError({
    code: 'UserDataNotFound',
    path,
    missing: { kind: 'watched' },
    message: secret
      ? `Secret "${name}" has no key "${ENTRY}"`
      : `there is no Secret "${name}" in namespace "${namespace}"`,
    fix: `create it with public keys under "${ENTRY}"; the Machine continues when it exists`,
    retryAfterMs: 30_000,
  });
}
