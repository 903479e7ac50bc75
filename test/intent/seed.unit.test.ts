/** Verifies the seed that a guest reads, and which user data is refused. */

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { UNLIMITED } from '../../src/intent/policy.ts';
import { CloudInitSeed } from '../../src/intent/seed/cloud-init-seed.ts';
import type { SeedFiles } from '../../src/intent/seed/seed-iso.ts';
import { type BootstrapSource, type SeedOptions, seedOf } from '../../src/intent/seed.ts';
import { YAML_BYTES } from '../../src/system/yaml-document.ts';
import { PUBLIC_KEYS } from '../api/public-keys.ts';

const machine = { namespace: 'default', name: 'kube-cp', uid: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed' };
const variables = {
  CAPLV_MACHINE_NAME: 'kube-cp',
  CAPLV_NAMESPACE: 'default',
  CAPLV_CLUSTER_NAME: undefined,
  CAPLV_KUBELET_VERSION: undefined,
  CAPLV_POD_CIDR: undefined,
  CAPLV_SERVICE_CIDR: undefined,
  CAPLV_SERVICE_DOMAIN: undefined,
  CAPLV_PROVIDER_ID: 'libvirt:///x',
};
const seed = (source: BootstrapSource) => made(source, {});

/** The seed as it is, and the text that its ISO is made of. */
async function made(source: BootstrapSource, options: Partial<SeedOptions>) {
  const path = 'spec.providerSpec';
  const all = { machine, pool: 'default', variables, path, policy: UNLIMITED, ...options };
  const one = await seedOf(source, all);
  return one instanceof CloudInitSeed
    ? { ...(one.toJSON() as SeedFiles), seed: one, volume: one.volume }
    : one;
}

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-seed-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('a machine without user data still gets its host name and instance id', async () => {
  const plain = await seed({});
  expect(plain).toMatchObject({ kind: 'cloudinit', userData: '#cloud-config\n' });
  expect(JSON.parse('metaData' in plain ? plain.metaData : '')).toEqual({
    'instance-id': machine.uid,
    'local-hostname': 'kube-cp',
  });
});

it('user data from a file has its variables filled in', async () => {
  const file = join(dir, 'user-data');
  await writeFile(file, '#cloud-config\nhostname: ${CAPLV_MACHINE_NAME}\n');
  expect(await seed({ userDataURI: file })).toMatchObject({ userData: '#cloud-config\nhostname: kube-cp\n' });
});

it('a ready seed ISO is used unchanged, whatever its name; other content makes another volume', async () => {
  const file = join(dir, 'seed');
  const iso = Buffer.alloc(40_000);
  iso.write('CD001', 32_769, 'latin1');
  await writeFile(file, iso);
  const first = await seed({ userDataURI: `file://${file}` });
  expect(first).toMatchObject({ kind: 'iso', source: file });
  await writeFile(file, Buffer.concat([iso, Buffer.from('more')]));
  expect((await seed({ userDataURI: file })).volume).not.toBe(first.volume);
});

const given = {
  access: { authorizedKeys: [PUBLIC_KEYS.ed25519] },
  path: 'spec.sshAuthorizedKeys',
  subject: 'the keys',
};

it('public keys stand beside the user data, which stays as it is, whatever its format', async () => {
  for (const userData of ['#cloud-config\nusers: []\n', '#!/bin/sh\ntrue\n', 'MIME-Version: 1.0\n\n']) {
    const one = await made({ userData }, { given });
    expect(one).toMatchObject({ userData });
    expect(JSON.parse('metaData' in one ? one.metaData : '')).toEqual({
      'instance-id': machine.uid,
      'local-hostname': 'kube-cp',
      'public-keys': [PUBLIC_KEYS.ed25519],
    });
  }
});

it('a ready seed ISO is refused where keys are given: the guest would have none of them', async () => {
  const file = join(dir, 'seed');
  const iso = Buffer.alloc(40_000);
  iso.write('CD001', 32_769, 'latin1');
  await writeFile(file, iso);
  await expect(made({ userDataURI: file }, { given })).rejects.toMatchObject({
    code: 'InvalidConfiguration',
    path: 'spec.sshAuthorizedKeys',
    fix: expect.stringContaining('sshAuthorizedKeys: []'),
  });
});

it('Ignition must be JSON, and an error does not quote it', async () => {
  expect(await seed({ ignition: '{"ignition":{"version":"3.4.0"}}' })).toMatchObject({ kind: 'ignition' });
  const error: Error = await seed({ ignition: 'variant: fcos # s3cret' }).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: 'InvalidConfiguration', path: 'spec.providerSpec.ignition' });
  expect(JSON.stringify([error, error.message])).not.toContain('s3cret');
});

it('missing and binary user data are refused with the field', async () => {
  await expect(seed({ userDataURI: join(dir, 'missing') })).rejects.toMatchObject({
    code: 'UserDataNotFound',
    path: 'spec.providerSpec.userDataURI',
  });
  const binary = join(dir, 'binary');
  await writeFile(binary, Buffer.from([1, 0, 2]));
  await expect(seed({ userDataURI: binary })).rejects.toMatchObject({ code: 'InvalidConfiguration' });
  await expect(seed({ userDataURI: dir })).rejects.toMatchObject({ code: 'UserDataNotFound' });
});

/** As a Secret gives it. */
const fromSecret = (source: BootstrapSource, isForeign = false, isVerbatim = false) =>
  made(source, { dataPath: 'spec.bootstrap.dataSecretName', isForeign, isVerbatim });
const refused = (path: string, message: string) =>
  expect.objectContaining({
    name: 'TerminalError',
    code: 'InvalidConfiguration',
    path,
    message: expect.stringContaining(message),
  });

describe('bytes of a Secret', () => {
  const text = '#cloud-config\nhostname: ${CAPLV_MACHINE_NAME}\n';
  const rendered = '#cloud-config\nhostname: kube-cp\n';

  it('that are text, or packed text, have their variables filled in', async () => {
    expect(await fromSecret({ userData: Buffer.from(text) })).toMatchObject({ userData: rendered });
    expect(await fromSecret({ userData: gzipSync(text) })).toMatchObject({ userData: rendered });
    const ignition = gzipSync('{"hostname": "${CAPLV_MACHINE_NAME}"}');
    expect(await fromSecret({ ignition })).toMatchObject({ content: '{"hostname": "kube-cp"}' });
  });

  it('that are no text reach the guest as they are: a mangled seed would make a machine that counts as ready', async () => {
    const userData = Buffer.from('MIME-Version: 1.0\n\n\xff\xfe\x00', 'latin1');
    const raw = await fromSecret({ userData });
    expect(raw).toMatchObject({ userData: userData.toString('base64'), userDataEncoding: 'base64' });
    expect('seed' in raw && Buffer.from(raw.seed.content).includes(userData)).toBe(true);
  });

  it('are refused where they can be neither', async () => {
    const path = 'spec.bootstrap.dataSecretName';
    const broken = gzipSync(text).subarray(0, 20);
    await expect(fromSecret({ userData: broken })).rejects.toEqual(refused(path, 'cannot be unpacked'));
    const bomb = gzipSync(Buffer.alloc(17 * 1024 ** 2));
    await expect(fromSecret({ userData: bomb })).rejects.toEqual(refused(path, 'more than 16 MiB'));
    await expect(fromSecret({ userData: Buffer.of(0xff, 0xfe) })).rejects.toEqual(refused(path, 'no header'));
    await expect(fromSecret({ ignition: Buffer.of(0xff) })).rejects.toEqual(refused(path, 'UTF-8'));
  });

  it('of the current Cluster API are passed on as they are: nothing is filled in, and gzip stays gzip', async () => {
    const verbatim = (source: BootstrapSource) => fromSecret(source, false, true);
    expect(await verbatim({ userData: Buffer.from(text) })).toEqual(
      expect.objectContaining({ userData: text }),
    );
    const packed = gzipSync(text);
    expect(await verbatim({ userData: packed })).toMatchObject({
      userData: packed.toString('base64'),
      userDataEncoding: 'base64',
    });
    const ignition = '{"hostname": "${CAPLV_MACHINE_NAME}"}';
    const original = await verbatim({ ignition: Buffer.from(ignition) });
    expect(original).toMatchObject({ content: ignition });
    // Its domain stays as it is: only a LibvirtMachine is shown who it is beside its content.
    expect(original).not.toHaveProperty('identity');
    const other = { ...machine, name: `capi~${machine.name}` };
    const shown = await made({ ignition: Buffer.from(ignition) }, { machine: other, isVerbatim: true });
    expect(shown).toMatchObject({
      identity: { instanceId: machine.uid, hostname: machine.name },
    });
    const path = 'spec.bootstrap.dataSecretName';
    await expect(verbatim({ userData: gzipSync('echo hello') })).rejects.toEqual(refused(path, 'no header'));
  });

  it('of another format are passed on without a look', async () => {
    expect(await fromSecret({ userData: Buffer.from('talos') }, true)).toMatchObject({ userData: 'talos' });
  });
});

it('text that is not UTF-8 is refused, packed text is unpacked, in files as well', async () => {
  const file = join(dir, 'user-data');
  await writeFile(file, Buffer.from('#cloud-config\n# \xe4\n', 'latin1'));
  await expect(seed({ userDataURI: file })).rejects.toEqual(
    refused('spec.providerSpec.userDataURI', 'UTF-8'),
  );
  await expect(seed({ userData: '#cloud-config\n# \ud800' })).rejects.toEqual(
    refused('spec.providerSpec.userData', 'UTF-8'),
  );
  await writeFile(file, gzipSync('#!/bin/sh\necho ${CAPLV_MACHINE_NAME} ${HOME}'));
  expect(await seed({ userDataURI: file })).toMatchObject({ userData: '#!/bin/sh\necho kube-cp ${HOME}' });
});

it.each([
  '#cloud-config\na: 1',
  '\n  #Cloud-Config\n',
  '#!/bin/sh\n',
  '## template: jinja\n#cloud-config\n',
  '#include https://x/y\n',
  '#cloud-boothook\n',
  'Content-Type: multipart/mixed; boundary="x"\nMIME-Version: 1.0\n',
  'From nobody\nMIME-Version: 1.0\n',
  '#ps1_sysnative\n',
  '# made by talosctl\nversion: v1alpha1\nmachine: {}\n',
])('user data that some guest reads is accepted: %j', async (userData) => {
  expect(await seed({ userData })).toMatchObject({ userData });
});

it.each(['hostname: web\n', 'echo hello\n', '# cloud-config\n', 'cloud-config\n', '{"a": 1}'])(
  'user data that cloud-init would ignore is refused: %j',
  async (userData) => {
    await expect(seed({ userData })).rejects.toEqual(refused('spec.providerSpec.userData', 'no header'));
  },
);

it.each([
  ['version: 2\nethernets: {}\n', 'version: 2\nethernets: {}\n'],
  ['network: {version: 1, config: []}', 'network: {version: 1, config: []}'],
  ['config: disabled', 'config: disabled'],
  ['version: 2\nhost: ${CAPLV_MACHINE_NAME}', 'version: 2\nhost: kube-cp'],
])('networkConfig %j is passed on, with its variables filled in', async (networkConfig, expected) => {
  expect(await seed({ networkConfig })).toMatchObject({ networkConfig: expected });
});

it.each([
  ['- version: 2', 'not a mapping'],
  ['just text', 'not a mapping'],
  ['ethernets: {}', 'no version'],
  ['version: 1', 'list under config'],
  ['a: "s3cret', 'not YAML (line 1)'],
  ['version: 2\na: ${CAPLV_NOTHING}', 'unknown variable ${CAPLV_NOTHING}'],
])(
  'networkConfig %j, which cloud-init would drop without a word, is refused: %s',
  async (networkConfig, says) => {
    const error = refused('spec.providerSpec.networkConfig', says);
    await expect(seed({ networkConfig })).rejects.toEqual(error);
    await expect(seed({ networkConfig })).rejects.not.toThrow('s3cret');
  },
);

it('networkConfig is read up to a size, as its reader takes the square of it in time', async () => {
  const filled = (bytes: number) => 'version: 2 #'.padEnd(bytes, 'x');
  await expect(seed({ networkConfig: filled(YAML_BYTES) })).resolves.toHaveProperty('networkConfig');
  await expect(seed({ networkConfig: filled(YAML_BYTES + 1) })).rejects.toEqual(
    refused('spec.providerSpec.networkConfig', `more than ${YAML_BYTES} bytes`),
  );
});

it.each([
  ['brackets without an end', '['.repeat(20_000)],
  ['an alias without an anchor', 'version: 2\na: *s3cret'],
  ['more aliases than text', `a: &a [x]\nb:\n${'- *a\n'.repeat(5_000)}`],
  ['two documents', 'version: 2\n---\nversion: 2\n'],
])('networkConfig of %s is refused by its field', async (_, networkConfig) => {
  await expect(seed({ networkConfig })).rejects.toEqual(
    refused('spec.providerSpec.networkConfig', 'not YAML'),
  );
  await expect(seed({ networkConfig })).rejects.not.toThrow('s3cret');
});

it('Ignition has its variables filled in, as the documentation says', async () => {
  const ignition = '{"a": "${CAPLV_MACHINE_NAME}"}';
  expect(await seed({ ignition })).toMatchObject({ content: '{"a": "kube-cp"}' });
  const file = join(dir, 'config.ign');
  await writeFile(file, ignition);
  expect(await seed({ ignitionURI: file })).toMatchObject({ content: '{"a": "kube-cp"}' });
});

it('user data of a server that hangs up in the middle is tried again, with a reason in our words', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('#cloud-config\n', () => response.destroy());
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(seed({ userDataURI: `http://127.0.0.1:${port}/x?token=s3cret` })).rejects.toMatchObject({
    name: 'TransientError',
    code: 'UserDataNotFound',
    message: `cannot read all that 127.0.0.1:${port} sends: it closed the connection`,
  });
});
