/**
 * Makes IPAddressClaims for LibvirtMachines, holds them with what was granted for them, and lets go of both. The finalizer on each keeps an
 * address from the next machine: an IPAM provider frees it as soon as its claim is being deleted.
 */

import { CONTRACT_CLUSTER_LABEL } from '../../api/infrastructure/contract.ts';
import {
  type IPAddress,
  type IPAddressClaim,
  IPAddressClaimKind,
  IPAddressKind,
  IPAM_API_VERSION,
} from '../../api/infrastructure/ipam.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { PoolReference } from '../../api/infrastructure/pool-interface.ts';
import { ADDRESS_FINALIZER } from '../../api/schema/group.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { controllerReference } from '../../apimachinery/owner-reference.ts';
import type { PoolClaim } from '../../intent/addresses/pool-claims.ts';
import { addFinalizer, removeFinalizer } from '../../store/finalizer.ts';
import type { Store } from '../../store/store.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';
import { type ClaimState, isClaimOf } from './claim-verdict.ts';

const WRITE = { fieldManager: FIELD_MANAGER };

export interface HeldClaimsOptions {
  /** Of claims and addresses. */
  readonly infrastructure: Pick<Store, 'get' | 'list' | 'create' | 'setFinalizers' | 'delete'>;
  /** Whether the API server has that kind of pools. */
  readonly servesPool: (pool: PoolReference) => Promise<boolean>;
}

export class HeldClaims {
  readonly #options: HeldClaimsOptions;

  constructor(options: HeldClaimsOptions) {
    this.#options = options;
  }

  /** For a machine of which nothing is on a host: makes a claim that is missing, and lets go of one that somebody deleted. */
  async claim(one: LibvirtMachine, wanted: PoolClaim, clusterName: string | undefined): Promise<ClaimState> {
    const { infrastructure, servesPool } = this.#options;
    const key = { ...keyOf(one), name: wanted.name };
    const found = await infrastructure.get(IPAddressClaimKind, key);
    if (!found) await infrastructure.create(IPAddressClaimKind, claimFor(one, wanted, clusterName), WRITE);
    else if (found.metadata.deletionTimestamp) await this.release(key, one.metadata.uid);
    const state = await this.observe(one, wanted);
    return state.address ? state : { ...state, isPoolKindServed: await servesPool(wanted.pool) };
  }

  /** Returns what is there of a claim, and holds it if it is the machine's. */
  async observe(one: LibvirtMachine, wanted: PoolClaim): Promise<ClaimState> {
    const { infrastructure } = this.#options;
    const found = await infrastructure.get(IPAddressClaimKind, { ...keyOf(one), name: wanted.name });
    if (!found || !isClaimOf(found, one.metadata.uid)) return { wanted, claim: found, address: undefined };
    const claim = await this.#hold(IPAddressClaimKind, found);
    const address = await this.#addressOf(claim);
    return { wanted, claim, address: address && (await this.#hold(IPAddressKind, address)) };
  }

  /** Deletes a claim of the machine with that uid, and lets go of it and of its address. */
  async release(key: ObjectKey, uid: string | undefined): Promise<void> {
    const { infrastructure } = this.#options;
    const claim = await infrastructure.get(IPAddressClaimKind, key, { fresh: true });
    if (claim && !isClaimOf(claim, uid)) return;
    if (claim?.metadata.uid)
      await infrastructure.delete(IPAddressClaimKind, key, { uid: claim.metadata.uid });
    const { namespace } = key;
    const all = await infrastructure.list(IPAddressKind, { namespace });
    const granted = all
      .filter(({ spec }) => spec.claimRef?.name === key.name)
      .map(({ metadata }) => metadata.name);
    // By the contract it has the name of its claim, and may be younger than what is known of all.
    for (const name of new Set([key.name, ...granted])) await this.#letGo({ namespace, name }, key.name);
    await removeFinalizer(
      infrastructure,
      IPAddressClaimKind,
      { ...key, uid: claim?.metadata.uid },
      ADDRESS_FINALIZER,
      WRITE,
    );
  }

  async #letGo(address: ObjectKey, claim: string): Promise<void> {
    const { infrastructure } = this.#options;
    const found = await infrastructure.get(IPAddressKind, address, { fresh: true });
    if (found?.spec.claimRef?.name !== claim) return;
    await removeFinalizer(infrastructure, IPAddressKind, address, ADDRESS_FINALIZER, WRITE);
  }

  async #addressOf({ metadata, status }: IPAddressClaim): Promise<IPAddress | undefined> {
    const name = status?.addressRef?.name;
    if (name === undefined) return undefined;
    return this.#options.infrastructure.get(IPAddressKind, { ...keyOf({ metadata }), name });
  }

  /** An object that is being deleted takes no finalizer any more. */
  async #hold<T extends KubeObject>(kind: ResourceKind<T>, object: T): Promise<T> {
    if (object.metadata.deletionTimestamp) return object;
    const { infrastructure } = this.#options;
    return (await addFinalizer(infrastructure, kind, object, ADDRESS_FINALIZER, WRITE)) ?? object;
  }
}

function claimFor(
  one: LibvirtMachine,
  { name, pool }: PoolClaim,
  clusterName: string | undefined,
): IPAddressClaim {
  return {
    apiVersion: IPAM_API_VERSION,
    kind: IPAddressClaimKind.kind,
    metadata: {
      name,
      namespace: keyOf(one).namespace,
      ...(clusterName !== undefined && { labels: { [CONTRACT_CLUSTER_LABEL]: clusterName } }),
      finalizers: [ADDRESS_FINALIZER],
      // As controller, so that clusterctl move takes it along with the machine.
      ownerReferences: [controllerReference(LibvirtMachineKind as ResourceKind, one)],
    },
    spec: { ...(clusterName !== undefined && { clusterName }), poolRef: pool },
  };
}
