/** Plays an IPAM provider that answers claims when a test tells it to. */

import type { ApiObject, ApiObjects } from './api-objects.ts';

const CLAIMS = 'ipaddressclaims.ipam.cluster.x-k8s.io';
const ADDRESSES = 'ipaddresses.ipam.cluster.x-k8s.io';

export const STAND_IN_POOL = { apiGroup: 'stand-in.example.com', kind: 'StandInPool', name: 'pool' };

/** Answers claims as the contract for IPAM providers asks, when a test calls it. Its kind of pools is not served. */
export class StandInPool {
  readonly #objects: ApiObjects;

  constructor(objects: ApiObjects) {
    this.#objects = objects;
  }

  claim(name: string): Promise<ApiObject | undefined> {
    return this.#objects.get(CLAIMS, name);
  }

  address(name: string): Promise<ApiObject | undefined> {
    return this.#objects.get(ADDRESSES, name);
  }

  /** Says in the claim that it has nothing to give. */
  async refuse(claim: string, reason: string, message: string): Promise<void> {
    const lastTransitionTime = new Date().toISOString();
    const ready = { type: 'Ready', status: 'False', reason, message, lastTransitionTime };
    await this.#objects.patch(CLAIMS, claim, { status: { conditions: [ready] } }, 'status');
  }

  /** `name`: of the IPAddress; by the contract that of the claim. */
  async grant(
    claim: string,
    granted: { readonly address: string; readonly prefix: number; readonly gateway?: string },
    name = claim,
  ): Promise<void> {
    const owner = await this.claim(claim);
    await this.#objects.apply({
      apiVersion: 'ipam.cluster.x-k8s.io/v1beta2',
      kind: 'IPAddress',
      metadata: {
        name,
        namespace: 'default',
        ownerReferences: [
          {
            apiVersion: 'ipam.cluster.x-k8s.io/v1beta2',
            kind: 'IPAddressClaim',
            name: claim,
            uid: owner?.metadata.uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: { claimRef: { name: claim }, poolRef: STAND_IN_POOL, ...granted },
    });
    const status = { addressRef: { name }, conditions: [] };
    await this.#objects.patch(CLAIMS, claim, { status }, 'status');
  }
}
