/** Verifies which events start a reconcile. */

import { expect, it } from 'vitest';
import { type Machine, MachineKind } from '../../../src/api/kinds/machine.ts';
import { API_VERSION, FINALIZER } from '../../../src/api/schema/group.ts';
import { desiredStateChanged, isDesired } from '../../../src/controllers/shared/predicates.ts';
import { template } from '../world.ts';

const before: Machine = {
  apiVersion: API_VERSION,
  kind: MachineKind.kind,
  metadata: { name: 'web', namespace: 'default', uid: '1234', generation: 1, finalizers: ['other.io/f'] },
  spec: template().spec,
};

const changed = (metadata: Partial<Machine['metadata']>, spec: Partial<Machine['spec']> = {}): Machine => ({
  ...before,
  metadata: { ...before.metadata, ...metadata },
  spec: { ...before.spec, ...spec },
});
const asks = (object: Machine, since = before) =>
  desiredStateChanged({ type: 'MODIFIED', object, before: since });

it("ignores the controller's own writes", () => {
  expect(asks({ ...before, status: { phase: 'Running' } })).toBe(false);
  expect(asks(changed({ finalizers: ['other.io/f', FINALIZER] }))).toBe(false);
  expect(asks(changed({ finalizers: [FINALIZER, 'other.io/f'] }))).toBe(false);
  expect(asks(changed({ generation: 2 }, { providerID: 'libvirt:///1234' }))).toBe(false);
});

it('is news what anybody else wants', () => {
  expect(asks(changed({ generation: 2 }, template(2).spec))).toBe(true);
  expect(asks(changed({ generation: 2 }, { ...template(2).spec, providerID: 'libvirt:///1234' }))).toBe(true);
  expect(asks(changed({ annotations: { a: 'b' } }))).toBe(true);
  expect(asks(changed({ finalizers: ['other.io/f', FINALIZER, 'third.io/f'] }))).toBe(true);
  expect(asks(changed({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [FINALIZER] }))).toBe(true);
});

it('triggers a reconcile when another client removes or changes what the controller set', () => {
  const given = changed({ finalizers: [FINALIZER] }, { providerID: 'libvirt:///1234' });
  expect(asks(changed({ finalizers: [] }, { providerID: 'libvirt:///1234' }), given)).toBe(true);
  expect(asks(changed({ generation: 3, finalizers: [FINALIZER] }), given)).toBe(true);
  expect(asks(changed({ generation: 2 }, { providerID: 'libvirt:///another' }))).toBe(true);
});

it('lets an object that failed be tried at once only for what may mend it', () => {
  const desires = (object: Machine, since = before) => isDesired({ type: 'MODIFIED', object, before: since });
  expect(desires({ ...before, status: { phase: 'Running' } })).toBe(false);
  expect(desires(changed({ generation: 2 }, { providerID: 'libvirt:///1234' }))).toBe(false);
  // A tool that writes its time into an annotation each second is no reason to start a guest each second.
  expect(desires(changed({ annotations: { 'backup.io/seen': '12:00:01' }, labels: { team: 'a' } }))).toBe(
    false,
  );
  expect(isDesired({ type: 'RESYNC', object: before })).toBe(false);

  expect(desires(changed({ generation: 2 }, template(2).spec))).toBe(true);
  expect(desires(changed({ annotations: { 'cluster-api.k8s.io/approve-plan': '1' } }))).toBe(true);
  expect(desires(changed({ labels: { 'cluster.k8s.io/cluster-name': 'c' } }))).toBe(true);
  expect(desires(changed({ deletionTimestamp: '2026-01-01T00:00:00Z' }))).toBe(true);
  expect(isDesired({ type: 'ADDED', object: before })).toBe(true);
  expect(isDesired({ type: 'DELETED', object: before })).toBe(true);
});
