/** Keeps, beside the state of each LibvirtMachine, what its status says of it, and reads that where both were moved to. */

import { libvirtMachineState } from '../../actuator/state/kubernetes.ts';
import type { LibvirtMachine } from '../../api/infrastructure/libvirt-machine.ts';
import type { MachineProviderStatus, MachineStatus } from '../../api/kinds/machine.ts';
import { type Secret, SecretMetadataKind } from '../../api/kinds/secret.ts';
import type { ObjectKey, ObjectMeta } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import type { Store } from '../../store/store.ts';
import { RECORD_ANNOTATION, recordOf, takeOver } from './move-record.ts';

const FIELD_MANAGER = 'caplv-record';

export class MoveRecords {
  readonly #store: Pick<Store, 'get' | 'apply'>;

  /** `store`: what it answers is so now. */
  constructor(store: Pick<Store, 'get' | 'apply'>) {
    this.#store = store;
  }

  /** Before `status` is written. Costs a read of the Secret, and a write if it says otherwise. */
  async keep(one: LibvirtMachine, status: MachineStatus | undefined): Promise<void> {
    const record = recordOf(one, status?.providerStatus);
    if (record === undefined) return;
    const { metadata } = (await this.#read(one)) ?? {};
    // Without a state there is nothing to take along; the run that brings one back is followed by a status.
    if (!metadata || metadata.annotations?.[RECORD_ANNOTATION] === record) return;
    const { namespace, name, uid } = metadata;
    const annotations = { [RECORD_ANNOTATION]: record };
    const change = { metadata: { namespace, name, uid, annotations } as ObjectMeta };
    await this.#store.apply(SecretMetadataKind, change, { fieldManager: FIELD_MANAGER });
  }

  /** See `takeOver`. */
  async takeOver(one: LibvirtMachine): Promise<MachineProviderStatus | { readonly refused: string }> {
    return takeOver(one, (await this.#read(one))?.metadata);
  }

  #read(one: LibvirtMachine): Promise<Secret | undefined> {
    const key: ObjectKey = libvirtMachineState(keyOf(one));
    return this.#store.get(SecretMetadataKind, key, { fresh: true });
  }
}
