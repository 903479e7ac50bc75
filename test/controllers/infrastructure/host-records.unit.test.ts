/** Verifies whose record of hosts a LibvirtCluster believes. */

import { expect, it } from 'vitest';
import type { LibvirtCluster } from '../../../src/api/infrastructure/libvirt-cluster.ts';
import type { Secret } from '../../../src/api/kinds/secret.ts';
import type { KubeObject, ResourceKind } from '../../../src/apimachinery/object.ts';
import {
  HostRecords,
  partsOn,
  readHostRecord,
} from '../../../src/controllers/infrastructure/host-records.ts';
import type { Store } from '../../../src/store/store.ts';

const one = (uid: string) =>
  ({
    kind: 'LibvirtCluster',
    metadata: { name: 'one', namespace: 'default', uid },
    spec: {},
  }) as LibvirtCluster;
const RECORD = { claimant: 'old', parts: { 'qemu+ssh://root@rack1/system': '[]' } };

/** A store of one Secret. */
function world() {
  let secret: Secret | undefined;
  const store = {
    get: async () => secret,
    apply: async (_: ResourceKind, written: KubeObject) => {
      secret = written as Secret;
    },
    delete: async () => {
      secret = undefined;
    },
  } as unknown as Store;
  return { records: new HostRecords(store), secret: () => secret };
}

it('what was written is read by the same object, until it is removed', async () => {
  const { records } = world();
  await records.write(one('new'), RECORD);
  expect(await records.read(one('new'))).toEqual(RECORD);
  await records.remove(one('new'));
  expect(await records.read(one('new'))).toBeUndefined();
});

it('the Secret of another object is not believed, as in a copy from a backup', async () => {
  const { records, secret } = world();
  await records.write(one('old'), RECORD);
  expect(readHostRecord(one('copy'), secret())).toBeUndefined();
});

it.each(['', 'no JSON', '{}', '{"claimant": 1, "parts": {}}', '{"claimant": "a", "parts": {}, "more": 1}'])(
  'a Secret that says %j says nothing',
  (text) => {
    const ownerReferences = [{ apiVersion: 'x/v1', kind: 'LibvirtCluster', name: 'one', uid: 'u' }];
    const secret = {
      metadata: { name: 's', ownerReferences },
      stringData: { hosts: text },
    } as unknown as Secret;
    expect(readHostRecord(one('u'), secret)).toBeUndefined();
  },
);

it('a host is found however its URI is written', () => {
  expect(partsOn(RECORD, 'qemu+ssh://root@RACK1/system?keyfile=/k')).toBe('[]');
  expect(partsOn(RECORD, 'qemu+ssh://root@rack2/system')).toBeUndefined();
});
