/** Verifies that the controllers list and write the machines of both APIs as one kind. */

import { expect, it } from 'vitest';
import { type Machine, MachineKind } from '../../../src/api/kinds/machine.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../../../src/apimachinery/object.ts';
import { keyOf } from '../../../src/apimachinery/object-key.ts';
import { ProjectedStore } from '../../../src/controllers/infrastructure/projected-store.ts';
import { infrastructureKey } from '../../../src/intent/names.ts';
import { ApiError } from '../../../src/kube/client/api-error.ts';
import { rememberServed } from '../../../src/kube/runtime/served.ts';
import type { Store } from '../../../src/store/store.ts';

const KEY = { namespace: 'default', name: 'a' };

const object = (kind: string, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { ...KEY, uid: `uid-of-${kind}`, ...metadata },
  spec: {},
});

/** A store of a few objects, which writes down what is written. */
function storeOf(...objects: readonly KubeObject[]) {
  const written: { readonly kind: string; readonly object: KubeObject }[] = [];
  const ofKind = ({ kind }: ResourceKind) => objects.filter((one) => one.kind === kind);
  const store = {
    get: async (kind: ResourceKind, key: ObjectKey) =>
      ofKind(kind).find((one) => keyOf(one).namespace === key.namespace && keyOf(one).name === key.name),
    list: async (kind: ResourceKind) => ofKind(kind),
    apply: async (kind: ResourceKind, applied: KubeObject) => {
      written.push({ kind: kind.kind, object: applied });
      return { ...object(kind.kind), ...applied };
    },
  };
  return { store: store as unknown as Store, written };
}

const both = [object('Machine'), object('LibvirtMachine')];

it('machines of both APIs are listed, each under a key of its own', async () => {
  const projected = new ProjectedStore({ store: storeOf(...both).store, serves: async () => true });
  const all = await projected.list(MachineKind);
  expect(all.map(({ metadata }) => [metadata.name, metadata.uid])).toEqual([
    ['a', 'uid-of-Machine'],
    ['capi~a', 'uid-of-LibvirtMachine'],
  ]);
  expect((await projected.get(MachineKind, KEY))?.metadata.uid).toBe('uid-of-Machine');
  expect((await projected.get(MachineKind, infrastructureKey(KEY)))?.metadata.uid).toBe(
    'uid-of-LibvirtMachine',
  );
});

it('what becomes of a LibvirtMachine is not known while its kind is not served, so that nothing of it is taken for gone', async () => {
  const projected = new ProjectedStore({
    store: storeOf(object('Machine')).store,
    serves: async () => false,
  });
  expect(await projected.list(MachineKind)).toHaveLength(1);
  await expect(projected.get(MachineKind, infrastructureKey(KEY))).rejects.toThrow('its kind is not served');
});

it.each([['list'], ['get']] as const)(
  'where the rights are missing, %s names the ClusterRole, and leaves nothing out',
  async (read) => {
    const { store } = storeOf(object('Machine'));
    const forbidden = async ({ kind }: ResourceKind) => {
      if (kind === 'LibvirtMachine') throw new ApiError({ code: 403, reason: 'Forbidden', message: 'no' });
      return [object('Machine')];
    };
    const infrastructure = { ...store, list: forbidden, get: forbidden } as unknown as Store;
    const projected = new ProjectedStore({ store, infrastructure, serves: async () => true });
    const reading =
      read === 'list' ? projected.list(MachineKind) : projected.get(MachineKind, infrastructureKey(KEY));
    await expect(reading).rejects.toMatchObject({
      code: 'NotAllowed',
      message: expect.stringContaining('ClusterRole caplv-controller-infrastructure'),
      fix: expect.stringContaining('kubectl apply -k deploy/infrastructure/rbac'),
    });
    expect((await projected.get(MachineKind, KEY))?.metadata.name).toBe('a');
  },
);

it('no machine is left out where it cannot be found out whether the kind is served', async () => {
  const serves = async () => Promise.reject(new Error('no answer'));
  const projected = new ProjectedStore({ store: storeOf(...both).store, serves });
  await expect(projected.list(MachineKind)).rejects.toThrow('no answer');
});

it('a write to one is a write to the LibvirtMachine', async () => {
  const { store, written } = storeOf(...both);
  const projected = new ProjectedStore({ store, serves: async () => true });
  const options = { fieldManager: 'test' };
  await projected.apply(MachineKind, { metadata: { ...infrastructureKey(KEY), finalizers: ['f'] } }, options);
  await projected.apply(
    MachineKind,
    { metadata: { ...KEY, finalizers: ['f'] } } as Partial<Machine> & Machine,
    options,
  );
  expect(written).toEqual([
    {
      kind: 'LibvirtMachine',
      object: {
        metadata: { ...KEY, finalizers: ['f'] },
      },
    },
    { kind: 'Machine', object: { metadata: { ...KEY, finalizers: ['f'] } } },
  ]);
});

it('whether a kind is served is asked again until it is, and not at each list', async () => {
  const answers = [false, true];
  let asked = 0;
  let nowMs = 0;
  const serves = rememberServed(
    async () => answers[asked++] ?? false,
    () => nowMs,
  );
  expect([await serves(), await serves()]).toEqual([false, false]);
  expect(asked).toBe(1);
  nowMs = 10_000;
  expect([await serves(), await serves()]).toEqual([true, true]);
  nowMs = 20_000;
  expect(await serves()).toBe(true);
  expect(asked).toBe(2);
});
