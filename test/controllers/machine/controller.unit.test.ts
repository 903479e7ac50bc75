/** Verifies that an outdated Machine creates and overwrites nothing. */

import { beforeEach, expect, test } from 'vitest';
import { type Machine, MachineKind } from '../../../src/api/kinds/machine.ts';
import { PAUSED_ANNOTATION } from '../../../src/api/schema/paused.ts';
import { findCondition } from '../../../src/apimachinery/conditions.ts';
import type { ObjectKey, ResourceKind } from '../../../src/apimachinery/object.ts';
import { MachineReconciler } from '../../../src/controllers/machine/controller.ts';
import type { MachineDependencies } from '../../../src/controllers/machine/dependencies.ts';
import { MachineResolver } from '../../../src/controllers/machine/resolver.ts';
import { UNLIMITED } from '../../../src/intent/policy.ts';
import { LocalStore } from '../../../src/store/local-store.ts';
import type { GetOptions } from '../../../src/store/store.ts';
import { memoryDir } from '../../terraform/scratch.ts';

const KEY = { namespace: 'default', name: 'web' };
const PERSON = { fieldManager: 'caplv' };

let store: LocalStore;
let old: Machine;

beforeEach(async () => {
  store = await LocalStore.open(await memoryDir());
  old = await store.apply(MachineKind, { metadata: KEY, spec: { providerSpec: {} } as never }, PERSON);
});

/** Of a process that last heard of the machine before what happened to it since. It has nothing to make a machine with. */
function latecomer(): MachineReconciler {
  const known = new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (name === 'get')
        return (kind: ResourceKind, key: ObjectKey, { fresh = false }: GetOptions = {}) =>
          fresh ? target.get(kind, key) : Promise.resolve(old);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return new MachineReconciler({
    store: known,
    recorder: { event: () => {} },
  } as unknown as MachineDependencies);
}

test('a machine that was paused right after it was applied is not created', async () => {
  await store.apply(
    MachineKind,
    {
      metadata: { ...KEY, annotations: { [PAUSED_ANNOTATION]: '' } },
      spec: { providerSpec: {} } as never,
    },
    PERSON,
  );
  expect(await latecomer().reconcile(KEY)).toEqual({ requeueAfterMs: 50 });
  expect((await store.get(MachineKind, KEY))?.status).toBeUndefined();
});

test('a machine that another process has placed meanwhile is not placed again', async () => {
  const providerStatus = { host: 'a', pinned: { uri: 'qemu+ssh://a/system' } };
  await store.applyStatus(MachineKind, KEY, { phase: 'Provisioning', providerStatus } as never, PERSON);
  await expect(latecomer().reconcile(KEY)).rejects.toMatchObject({ code: 'Conflict' });
  const { status } = (await store.get(MachineKind, KEY)) ?? {};
  expect(status?.providerStatus).toEqual(providerStatus);
});

test('a machine that was deleted meanwhile is not created, nor is another one of its name', async () => {
  await store.delete(MachineKind, KEY);
  await expect(latecomer().reconcile(KEY)).rejects.toThrow();
  expect(await store.get(MachineKind, KEY)).toBeUndefined();
  await store.apply(MachineKind, { metadata: KEY, spec: { providerSpec: { vcpu: 2 } } as never }, PERSON);
  await latecomer()
    .reconcile(KEY)
    .catch(() => {});
  const now = await store.get(MachineKind, KEY);
  expect(now?.status?.providerStatus).toBeUndefined();
});

test('a machine that is being deleted, with the finalizer of another controller, is not created', async () => {
  old = await store.apply(
    MachineKind,
    { metadata: { ...KEY, finalizers: ['example.com/keep'] }, spec: { providerSpec: {} } as never },
    PERSON,
  );
  await store.delete(MachineKind, KEY);
  // Looked at again, as one that goes.
  expect(await latecomer().reconcile(KEY)).toEqual({ requeueAfterMs: 50 });
  expect((await store.get(MachineKind, KEY))?.status).toBeUndefined();
});

test('an outdated observation does not overwrite the status of another process, and a paused machine stays shown as paused', async () => {
  const parts = {
    store,
    resolver: new MachineResolver({ store, policy: UNLIMITED } as never),
    actuator: { exists: async () => undefined },
  };
  const controller = new MachineReconciler(parts as never);
  const spec = { providerSpec: { vcpu: 1, memoryMiB: 64, imageURI: '/image', userData: 'none' } };
  await store.apply(MachineKind, { metadata: KEY, spec: spec as never }, PERSON);
  const status = (phase: string) =>
    store.applyStatus(
      MachineKind,
      KEY,
      { phase, providerStatus: { pinned: { uri: 'test:///a' } } } as never,
      PERSON,
    );
  const before = await status('Provisioning');
  const after = await status('Provisioned');
  await controller.observe(before);
  expect(await store.get(MachineKind, KEY)).toEqual(after);
  await controller.observe(after);
  expect((await store.get(MachineKind, KEY))?.status).toMatchObject({
    phase: 'Pending',
    providerStatus: { instanceState: 'absent' },
  });
  // Whatever the host says.
  const paused = { metadata: { ...KEY, annotations: { [PAUSED_ANNOTATION]: '' } }, spec: spec as never };
  await controller.observe(await store.apply(MachineKind, paused, PERSON));
  const ready = findCondition(await store.get(MachineKind, KEY), 'Ready');
  expect(ready).toMatchObject({ status: 'False', reason: 'Paused' });
});
