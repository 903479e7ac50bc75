/** Verifies that the status of a Machine is saved beside other writers. */

import { expect, test } from 'vitest';
import { type Machine, MachineKind } from '../../../../src/api/kinds/machine.ts';
import { MachineScope } from '../../../../src/controllers/machine/scope/scope.ts';
import { TransientError } from '../../../../src/errors.ts';
import { LocalStore } from '../../../../src/store/local-store.ts';
import { memoryDir } from '../../../terraform/scratch.ts';

const KEY = { namespace: 'default', name: 'web' };
const PERSON = { fieldManager: 'caplv' };
const pinned = (uri: string) => ({ uri, imageVolume: 'caplv-1.qcow2' }) as never;

async function stored(): Promise<{ store: LocalStore; machine: Machine }> {
  const store = await LocalStore.open(await memoryDir());
  const machine = await store.apply(
    MachineKind,
    { metadata: KEY, spec: { providerSpec: {} } as never },
    PERSON,
  );
  return { store, machine };
}

test('a command beside a controller does not overwrite the placement that the controller has saved', async () => {
  const { store, machine } = await stored();
  const [controller, command] = [new MachineScope(store, machine), new MachineScope(store, machine)];
  controller.setProviderStatus({ host: 'a', pinned: pinned('qemu+ssh://a/system') });
  await controller.save();

  command.setCondition('HostReady', 'False', 'InsufficientCapacity');
  await expect(command.save()).rejects.toMatchObject({
    code: 'Conflict',
    message: expect.stringContaining('another process'),
  });
  // Nor after a failure, which it would write down.
  await expect(command.save()).rejects.toMatchObject({ code: 'Conflict' });
  await expect(command.claim(false)).rejects.toMatchObject({ code: 'Conflict' });
  const after = await store.get(MachineKind, KEY);
  expect(after?.status?.providerStatus).toEqual(controller.providerStatus);
});

test('an edit of a machine while it is created does not stop the creation', async () => {
  const { store, machine } = await stored();
  const scope = new MachineScope(store, machine);
  scope.setProviderStatus({ host: 'a', pinned: pinned('qemu:///system') });
  await scope.save();
  await store.apply(
    MachineKind,
    { metadata: { ...KEY, labels: { team: 'a' } }, spec: { providerSpec: { vcpu: 2 } } as never },
    PERSON,
  );
  await store.applyStatus(MachineKind, KEY, { nodeRef: { name: 'web' } } as never, {
    fieldManager: 'caplv-node',
  });

  scope.setCondition('HostReady', 'True', 'AsSpecified');
  await scope.save();
  const after = await store.get(MachineKind, KEY);
  expect(after?.metadata.labels).toEqual({ team: 'a' });
  expect(after?.status).toMatchObject({
    nodeRef: { name: 'web' },
    conditions: [
      { type: 'HostReady', status: 'True' },
      { type: 'Ready', status: 'True' },
    ],
  });
});

test('a wait for a lock is shown while it lasts, and not after the lock is acquired', async () => {
  const { store, machine } = await stored();
  const scope = new MachineScope(store, machine);
  scope.setCondition('DomainReady', 'False', 'Provisioning', 'the machine is new');
  const conditions = async () => (await store.get(MachineKind, KEY))?.status?.conditions;
  const lock = { type: 'DomainReady', reason: 'StateLocked', message: 'waiting for the lock of a' } as const;
  await scope.report(lock);
  expect(await conditions()).toMatchObject([lock, { type: 'Ready', reason: 'StateLocked' }]);

  // What the work finds meanwhile is written with the next of them, each after the one before.
  scope.setProviderStatus({ host: 'a' });
  void scope.report(lock);
  void scope.report();
  scope.setCondition('DomainReady', 'True', 'AsSpecified');
  await scope.save();
  expect(await conditions()).toMatchObject([
    { type: 'DomainReady', status: 'True' },
    { type: 'Ready', status: 'True' },
  ]);
  expect((await store.get(MachineKind, KEY))?.status?.providerStatus).toEqual({ host: 'a' });
});

test('a machine that was deleted meanwhile is reported as deleted', async () => {
  const { store, machine } = await stored();
  const scope = new MachineScope(store, machine);
  await store.delete(MachineKind, KEY);
  scope.setProviderStatus({ host: 'a' });
  await expect(scope.save()).rejects.toMatchObject({ message: expect.stringContaining('it is gone') });
});

test('the reason of a failure stays in the condition while the creation is retried', async () => {
  const { store, machine } = await stored();
  const scope = new MachineScope(store, machine);
  scope.beginOperation('Create', 'the machine is new');
  expect(scope.condition('DomainReady')).toMatchObject({
    reason: 'Provisioning',
    message: 'the machine is new',
  });
  scope.fail('DomainReady', new TransientError({ code: 'TerraformError', message: 'QEMU ended' }));
  await scope.save();

  const again = new MachineScope(store, scope.machine);
  again.beginOperation('Create', 'the machine is new');
  expect(again.condition('DomainReady')).toMatchObject({ reason: 'TerraformError', message: 'QEMU ended' });
  expect(again.status.lastOperation).toMatchObject({
    state: 'Processing',
    description: 'the machine is new; trying again after: QEMU ended',
  });

  // What was mended is judged by how it goes from here on.
  const generation = (machine.metadata.generation ?? 0) + 1;
  const mended = { ...scope.machine, metadata: { ...scope.machine.metadata, generation } };
  const changed = new MachineScope(store, mended);
  changed.beginOperation('Create', 'the machine is new');
  expect(changed.condition('DomainReady')).toMatchObject({ reason: 'Provisioning' });
});

test('a finalizer that was removed comes back, and the providerID stays', async () => {
  const { store, machine } = await stored();
  await new MachineScope(store, machine).claim(true);
  const claimed = await store.get(MachineKind, KEY);
  if (!claimed) throw new Error('the machine is gone');
  const { providerID } = claimed.spec;
  expect(providerID).toMatch(/^libvirt:/);
  await store.setFinalizers(MachineKind, claimed, [], PERSON);

  const bare = await store.get(MachineKind, KEY);
  if (!bare) throw new Error('the machine is gone');
  expect(bare.metadata.finalizers ?? []).toEqual([]);
  await new MachineScope(store, bare).claim(false);
  const after = await store.get(MachineKind, KEY);
  expect(after?.metadata.finalizers).toEqual(claimed.metadata.finalizers);
  expect(after?.spec.providerID).toBe(providerID);
});
