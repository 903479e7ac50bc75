import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { UNLIMITED } from '../../src/intent/policy.ts';
import { type BootstrapSource, seedOf } from '../../src/intent/seed.ts';

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
const seed = (source: BootstrapSource) =>
  seedOf(source, { machine, pool: 'default', variables, path: 'spec.providerSpec', policy: UNLIMITED });

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-seed-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('a machine without user data still gets its host name and instance id', async () => {
  const made = await seed({});
  expect(made).toMatchObject({ kind: 'cloudinit', userData: '#cloud-config\n' });
  expect(JSON.parse(made.kind === 'cloudinit' ? made.metaData : '')).toEqual({
    'instance-id': machine.uid,
    'local-hostname': 'kube-cp',
  });
});

it('user data from a file has its variables filled in', async () => {
  const file = join(dir, 'user-data');
  await writeFile(file, '#cloud-config\nhostname: ${CAPLV_MACHINE_NAME}\n');
  expect(await seed({ userDataURI: file })).toMatchObject({ userData: '#cloud-config\nhostname: kube-cp\n' });
});

it('a ready seed ISO is taken as it is, whatever its name; another content is another volume', async () => {
  const file = join(dir, 'seed');
  const iso = Buffer.alloc(40_000);
  iso.write('CD001', 32_769, 'latin1');
  await writeFile(file, iso);
  const first = await seed({ userDataURI: `file://${file}` });
  expect(first).toMatchObject({ kind: 'iso', source: file });
  await writeFile(file, Buffer.concat([iso, Buffer.from('more')]));
  expect((await seed({ userDataURI: file })).volume).not.toBe(first.volume);
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
