/** Plays the Machine controller without machines: adds the finalizer, reports ready, and removes the finalizer. */

import { MachineKind } from '../../src/api/kinds/machine.ts';
import { FINALIZER } from '../../src/api/schema/group.ts';
import { setCondition } from '../../src/apimachinery/conditions.ts';
import type { Reconcile } from '../../src/kube/runtime/controller.ts';
import type { Store } from '../../src/store/store.ts';

export function standInForMachines(store: Store): Reconcile {
  const manager = { fieldManager: 'caplv-controller' };
  return async (key) => {
    const machine = await store.get(MachineKind, key);
    if (!machine) return undefined;
    const { uid, deletionTimestamp, finalizers = [] } = machine.metadata;
    const metadata = { ...key, ...(uid === undefined ? {} : { uid }) };
    if (deletionTimestamp) {
      if (finalizers.includes(FINALIZER)) await store.apply(MachineKind, { metadata }, manager);
      return undefined;
    }
    if (!finalizers.includes(FINALIZER)) {
      await store.apply(MachineKind, { metadata: { ...metadata, finalizers: [FINALIZER] } }, manager);
    }
    if (machine.status?.phase === 'Running') return undefined;
    const ready = { type: 'Ready', status: 'True', reason: 'AsSpecified', message: '' } as const;
    const conditions = setCondition(undefined, ready, new Date().toISOString());
    await store.applyStatus(MachineKind, key, { phase: 'Running', conditions }, manager);
    return undefined;
  };
}
