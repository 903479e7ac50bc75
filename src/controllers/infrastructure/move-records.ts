/** Keeps, beside the state of each LibvirtMachine, what its status says of it, and reads that where both were moved to. */

import { LIBVIRT_MACHINE_NAME_LABEL, libvirtMachineState } from '../../actuator/state/kubernetes.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { MachineProviderStatus, MachineStatus } from '../../api/kinds/machine.ts';
import { type Secret, SecretMetadataKind } from '../../api/kinds/secret.ts';
import type { ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { controllerReference } from '../../apimachinery/owner-reference.ts';
import type { Store } from '../../store/store.ts';
import { RECORD_ANNOTATION, recordOf, takeOver } from './move-record.ts';

const FIELD_MANAGER = 'caplv-record';
/** Of its own: an apply without the reference would take it away again. */
const OWNER_MANAGER = 'caplv-owner';

export class MoveRecords {
  readonly #store: Pick<Store, 'get' | 'list' | 'apply'>;

  /** `store`: what it answers is so now. */
  constructor(store: Pick<Store, 'get' | 'list' | 'apply'>) {
    this.#store = store;
  }

  /**
   * Before `status` is written. Costs a read of the Secret, and a write if it says otherwise. Also gives state and kept serials the owner
   * back that somebody took from them: without it they would not move, nor go with the machine.
   */
  async keep(one: LibvirtMachine, status: MachineStatus | undefined): Promise<void> {
    const record = recordOf(one, status?.providerStatus);
    if (record === undefined) return;
    const { metadata } = (await this.#read(one)) ?? {};
    // Without a state there is nothing to take along; the run that brings one back is followed by a status.
    if (!metadata) return;
    if (!isOwned(metadata)) await this.#own(one);
    if (metadata.annotations?.[RECORD_ANNOTATION] === record) return;
    const { namespace, name, uid } = metadata;
    const annotations = { [RECORD_ANNOTATION]: record };
    const change = { metadata: { namespace, name, uid, annotations } as ObjectMeta };
    await this.#store.apply(SecretMetadataKind, change, { fieldManager: FIELD_MANAGER });
  }

  async #own(one: LibvirtMachine): Promise<void> {
    const { namespace, name } = keyOf(one);
    const labelSelector = `${LIBVIRT_MACHINE_NAME_LABEL}=${name}`;
    const ownerReferences = [controllerReference(LibvirtMachineKind as ResourceKind, one)];
    for (const { metadata } of await this.#store.list(SecretMetadataKind, { namespace, labelSelector })) {
      if (isOwned(metadata)) continue;
      const change = {
        metadata: { namespace, name: metadata.name, uid: metadata.uid, ownerReferences } as ObjectMeta,
      };
      await this.#store.apply(SecretMetadataKind, change, { fieldManager: OWNER_MANAGER });
    }
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

/** By a LibvirtMachine, whichever: the Secret of another one is left alone. */
function isOwned({ ownerReferences = [] }: ObjectMeta): boolean {
  return ownerReferences.some(({ kind }) => kind === LibvirtMachineKind.kind);
}
