/** Gives a LibvirtCluster an address of its range, and keeps that its own until it is deleted. */

import type { EndpointClaims } from '../../actuator/host/endpoint-claims.ts';
import type { ContractCluster } from '../../api/infrastructure/contract.ts';
import { addressesIn } from '../../api/infrastructure/endpoint-range.ts';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';
import type { Site } from '../../intent/site.ts';
import type { Store } from '../../store/store.ts';
import type { ClusterClaims } from '../cluster/controller.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';

const DEFAULT_PORT = 6443;

/** Of its own: with that of the finalizer, one apply would take back what the other one applied. */
const ENDPOINT_MANAGER = `${FIELD_MANAGER}-endpoint`;

export interface ControlPlaneEndpointsOptions {
  /** Of the kinds of the current Cluster API. */
  readonly infrastructure: Pick<Store, 'list' | 'apply'>;
  /** With the machines of both APIs. */
  readonly store: Pick<Store, 'list'>;
  readonly claims: Pick<EndpointClaims, 'claim' | 'release' | 'takeOver'>;
}

export class ControlPlaneEndpoints {
  readonly #options: ControlPlaneEndpointsOptions;
  /** By uid: what was chosen here. A list of LibvirtClusters may not show it yet. */
  readonly #chosen = new Map<string, string>();
  /** The last choice. On bridges of different hosts nothing but this keeps two from one address. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ControlPlaneEndpointsOptions) {
    this.#options = options;
  }

  /** What a LibvirtCluster claims; undefined: it has no range. */
  of(one: LibvirtCluster, owner: ContractCluster | undefined): ClusterClaims | undefined {
    const { uid } = one.metadata;
    if (!one.spec.controlPlaneEndpointRange || uid === undefined) return undefined;
    return {
      ensure: (sites) => {
        const ensure = () => this.#ensure(one, uid, owner, sites);
        return one.spec.controlPlaneEndpoint ? ensure() : this.#inTurn(ensure);
      },
      release: ({ uri, network }) => {
        this.#chosen.delete(uid);
        return this.#options.claims.release({ uri, network: network.name }, uid);
      },
    };
  }

  /** Takes over the address that it had as the object with the uid `before`, in another management cluster. */
  async takeOver(one: LibvirtCluster, before: string, { uri, network }: Site): Promise<void> {
    const { uid } = one.metadata;
    if (!one.spec.controlPlaneEndpointRange || uid === undefined || before === uid) return;
    const clusters = await this.#options.infrastructure.list(LibvirtClusterKind);
    // One that is still here has not moved.
    if (clusters.some(({ metadata }) => metadata.uid === before)) return;
    await this.#options.claims.takeOver({ uri, network: network.name }, before, uid);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #ensure(
    one: LibvirtCluster,
    uid: string,
    owner: ContractCluster | undefined,
    sites: readonly Site[],
  ): Promise<void> {
    const { controlPlaneEndpoint: given, controlPlaneEndpointRange: range } = one.spec;
    // The user has given another one to the Cluster.
    if (!range || (!given && owner?.spec.controlPlaneEndpoint?.host !== undefined)) return;
    const { infrastructure, store, claims } = this.#options;
    const clusters = await infrastructure.list(LibvirtClusterKind);
    const machines = given ? [] : await store.list(MachineKind, { onUnreadable: () => {} });
    const host = await claims.claim({
      uid,
      places: sites.map(({ uri, network }) => ({ uri, network: network.name })),
      candidates: given ? [given.host] : addressesIn(range),
      isGiven: given !== undefined,
      inUse: new Set([
        ...machines.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
        ...clusters.flatMap(({ metadata, spec }) =>
          metadata.uid === uid
            ? []
            : (spec.controlPlaneEndpoint?.host ?? this.#chosen.get(metadata.uid ?? '') ?? []),
        ),
      ]),
      path: given ? 'spec.controlPlaneEndpoint' : 'spec.controlPlaneEndpointRange',
      nameOf: (other) => {
        const found = clusters.find(({ metadata }) => metadata.uid === other);
        return found && `LibvirtCluster "${formatKey(keyOf(found))}"`;
      },
    });
    if (given) {
      this.#chosen.delete(uid);
      return;
    }
    this.#chosen.set(uid, host);
    const controlPlaneEndpoint = { host, port: range.port ?? DEFAULT_PORT };
    const written = { metadata: { ...keyOf(one), uid }, spec: { controlPlaneEndpoint } };
    await infrastructure.apply(LibvirtClusterKind, written as never, { fieldManager: ENDPOINT_MANAGER });
  }
}
