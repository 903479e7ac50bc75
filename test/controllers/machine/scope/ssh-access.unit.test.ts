/** Verifies whose public keys a machine is made with, and that one that was made keeps them. */

import { expect, test } from 'vitest';
import { SecretKind } from '../../../../src/api/kinds/secret.ts';
import type { PlacedMachine } from '../../../../src/controllers/machine/scope/placed-machine.ts';
import { sshAccess } from '../../../../src/controllers/machine/scope/ssh-access.ts';
import { LocalStore } from '../../../../src/store/local-store.ts';
import { PUBLIC_KEYS } from '../../../api/public-keys.ts';
import { scratchDir } from '../../../terraform/scratch.ts';

const { ed25519, ecdsa, rsa } = PUBLIC_KEYS;
const OWN = 'spec.providerSpec';

interface Given {
  readonly spec?: object;
  readonly cluster?: object;
  readonly providerStatus?: object;
  /** Entry `authorized_keys` of the Secret "team". */
  readonly secret?: string;
}

async function accessOf({ spec = {}, cluster, providerStatus, secret }: Given) {
  const store = await LocalStore.open(await scratchDir());
  if (secret !== undefined) {
    const metadata = { namespace: 'default', name: 'team' };
    const object = { metadata, stringData: { authorized_keys: secret } };
    await store.apply(SecretKind, object as never, { fieldManager: 'test' });
  }
  return sshAccess(store, {
    machine: { metadata: { name: 'a' }, spec: {}, status: { providerStatus } },
    identity: { namespace: 'default', name: 'a', uid: 'x' },
    cluster: cluster && { metadata: { name: 'fujisan' }, spec: { providerSpec: cluster } },
    spec,
    path: OWN,
  } as unknown as PlacedMachine);
}

const keysOf = async (given: Given) => (await accessOf(given)).access?.authorizedKeys ?? [];

test('a machine has its own keys, those of the list and of the Secret; else those of its Cluster', async () => {
  const cluster = { sshAuthorizedKeys: [rsa], sshUser: 'debian' };
  expect(await keysOf({})).toEqual([]);
  expect(await accessOf({ cluster })).toMatchObject({
    access: { authorizedKeys: [rsa], user: 'debian' },
    path: 'spec.clusterName',
    subject: 'the sshAuthorizedKeys of Cluster "fujisan"',
  });
  expect(await keysOf({ cluster, spec: { sshAuthorizedKeys: [ed25519] } })).toEqual([ed25519]);
  expect(await keysOf({ cluster, spec: { sshAuthorizedKeys: [] } })).toEqual([]);
  const both = { sshAuthorizedKeys: [ed25519], sshAuthorizedKeysSecretName: 'team' };
  expect(await keysOf({ cluster, spec: both, secret: `${ecdsa}\n${ed25519}\n` })).toEqual([ed25519, ecdsa]);
  expect(await keysOf({ cluster: { sshAuthorizedKeysSecretName: 'team' }, secret: rsa })).toEqual([rsa]);
});

test('a machine that was made keeps the keys that its guest was given: others would replace its disk', async () => {
  const providerStatus = { appliedHash: 'x', pinned: { sshAccess: { authorizedKeys: [ed25519] } } };
  const spec = { sshAuthorizedKeysSecretName: 'gone' };
  expect(await keysOf({ spec, providerStatus })).toEqual([ed25519]);
  expect(
    await keysOf({ spec: { sshAuthorizedKeys: [rsa] }, providerStatus: { ...providerStatus, pinned: {} } }),
  ).toEqual([]);
  // Nothing is made of it yet: a person may still mend the key.
  expect(
    await keysOf({ spec: { sshAuthorizedKeys: [rsa] }, providerStatus: { pinned: providerStatus.pinned } }),
  ).toEqual([rsa]);
});

test('a machine waits for its Secret, and refuses one with other lines than keys', async () => {
  const spec = { sshAuthorizedKeysSecretName: 'team' };
  const path = `${OWN}.sshAuthorizedKeysSecretName`;
  await expect(keysOf({ spec })).rejects.toMatchObject({
    name: 'TransientError',
    code: 'UserDataNotFound',
    path,
  });
  await expect(keysOf({ spec, secret: 's3cret' })).rejects.toMatchObject({
    name: 'TerminalError',
    code: 'InvalidConfiguration',
    path,
    message: expect.not.stringContaining('s3cret'),
  });
});

test('a machine has at most 32 keys: its status and what clusterctl moves have no room for more', async () => {
  const keys = Array.from({ length: 33 }, (_, n) => {
    const blob = Buffer.from(ed25519.split(' ')[1] ?? '', 'base64');
    blob[blob.length - 1] = n;
    return `ssh-ed25519 ${blob.toString('base64')}`;
  });
  const spec = { sshAuthorizedKeys: keys.slice(0, 20), sshAuthorizedKeysSecretName: 'team' };
  expect(await keysOf({ spec, secret: keys.slice(8, 32).join('\n') })).toHaveLength(32);
  await expect(keysOf({ spec, secret: keys.join('\n') })).rejects.toMatchObject({
    fix: 'give a machine at most 32',
  });
});
