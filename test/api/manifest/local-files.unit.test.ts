/** Verifies that paths of local files are reported before a manifest is applied to a cluster. */

import { expect, it } from 'vitest';
import { localFiles } from '../../../src/api/manifest/local-files.ts';
import { parseManifests } from '../../../src/api/manifest/parse.ts';

/** Of a Machine that is read from a manifest in /home/me. */
function filesOf(providerSpec: object): unknown {
  const manifest = {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name: 'node' },
    spec: { providerSpec },
  };
  const [read] = parseManifests(JSON.stringify(manifest), 'stdin', { directory: '/home/me' });
  return read && localFiles(read.object);
}

const SPEC = { vcpu: 1, memoryMiB: 512 };

it.each([
  ['https://images.example.com/debian.qcow2', []],
  ['volume:images/debian.qcow2', []],
  ['/images/debian.qcow2', [{ path: 'spec.providerSpec.imageURI', value: '/images/debian.qcow2' }]],
  ['file:///images/a.qcow2', [{ path: 'spec.providerSpec.imageURI', value: 'file:///images/a.qcow2' }]],
  ['debian.qcow2', [{ path: 'spec.providerSpec.imageURI', value: '/home/me/debian.qcow2' }]],
])('applying imageURI %s to a cluster warns of %j', (imageURI, files) => {
  expect(filesOf({ ...SPEC, imageURI })).toEqual(files);
});

it('each field is found where it stands, also in an envelope', () => {
  const imageURI = 'https://images.example.com/debian.qcow2';
  expect(filesOf({ value: { spec: { ...SPEC, imageURI, userDataURI: 'user-data.yaml' } } })).toEqual([
    { path: 'spec.providerSpec.value.spec.userDataURI', value: '/home/me/user-data.yaml' },
  ]);
});

it('an inline text is no file', () => {
  expect(filesOf({ ...SPEC, imageURI: 'https://a.example.com/a', userData: '#cloud-config\n' })).toEqual([]);
});
