/** Addresses of the machine, pod and cluster that the controller runs in: nothing that a tenant names may lead it there. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import type { ReservedRange } from '../intent/policy/server-list.ts';
import { ApiError } from '../kube/client/api-error.ts';
import type { Client } from '../kube/client/client.ts';
import { canonicalAddress } from '../system/network/address-scope.ts';
import { IpRange } from '../system/network/ip-range.ts';
import type { Logger } from '../telemetry/logger.ts';

interface ServiceCIDR extends KubeObject {
  readonly spec?: { readonly cidrs?: readonly string[] };
}

interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[];
  readonly ports?: readonly { readonly port?: number }[];
}

interface PodNetworkNode extends KubeObject {
  readonly spec?: { readonly podCIDRs?: readonly string[] };
}

/** Since Kubernetes 1.33. */
const ServiceCIDRKind: ResourceKind<ServiceCIDR> = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  namespaced: false,
};

const EndpointSliceKind: ResourceKind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
};

const PodNetworkNodeKind: ResourceKind<PodNetworkNode> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
  pick: (object) => {
    const { apiVersion, kind, metadata, spec } = object as PodNetworkNode;
    return { apiVersion, kind, metadata: { name: metadata.name }, spec: { podCIDRs: spec?.podCIDRs ?? [] } };
  },
};

const POD_NETWORK = "in the pod network of the controller's cluster";
const SERVICES = "in the range of the Services of the controller's cluster";
const API_SERVER = "an API server of the controller's cluster";
const MACHINE = "an address of the controller's own machine";

/** What the cluster says of its networks is read again after this, in milliseconds. */
const KEPT_MS = 10 * 60_000;
/** No wider range is guessed from the address of the API server's Service. */
const WIDEST_GUESS = 12;

export interface OwnAddressesOptions {
  readonly client: Pick<Client, 'get' | 'list'>;
  /** Of the controller's own API server, as it reaches it. */
  readonly server: URL;
  /** Address of the API server's Service, of a controller that runs in a pod (KUBERNETES_SERVICE_HOST). */
  readonly serviceHost: string | undefined;
  readonly log: Logger;
}

export class OwnAddresses {
  readonly #options: OwnAddressesOptions;
  #known: { readonly ranges: Promise<readonly ReservedRange[]>; readonly at: number } | undefined;

  constructor(options: OwnAddressesOptions) {
    this.#options = options;
  }

  /** Lists them as they are now; what the cluster says of itself may be ten minutes old. Throws if that cannot be read. */
  async list(): Promise<readonly ReservedRange[]> {
    const [cluster, server] = await Promise.all([this.#cluster(), this.#server()]);
    return [...this.#machine(), ...server, ...cluster];
  }

  /** Of a pod the networks that it is in, since others of the cluster are there. */
  #machine(): ReservedRange[] {
    const isPod = this.#options.serviceHost !== undefined;
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return all.flatMap(({ address, cidr }) =>
      isPod
        ? rangesOf(POD_NETWORK, [cidr ?? canonicalAddress(address)])
        : rangesOf(MACHINE, [canonicalAddress(address)]),
    );
  }

  async #server(): Promise<ReservedRange[]> {
    const { hostname, port } = this.#options.server;
    const host = hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) ? [{ address: host }] : await lookup(host, { all: true });
    const texts = addresses.map(({ address }) => canonicalAddress(address));
    return rangesOf(API_SERVER, texts, Number(port || 443));
  }

  #cluster(): Promise<readonly ReservedRange[]> {
    const now = performance.now();
    if (this.#known && now - this.#known.at < KEPT_MS) return this.#known.ranges;
    const before = this.#known?.ranges;
    const ranges = this.#read().catch((error: unknown) => {
      this.#known = undefined;
      this.#options.log.warn('Networks of the own cluster cannot be read', { error });
      if (before) return before;
      throw new Error("the networks of the controller's own cluster cannot be read now", { cause: error });
    });
    this.#known = { ranges, at: now };
    return ranges;
  }

  async #read(): Promise<ReservedRange[]> {
    const { client, serviceHost } = this.#options;
    const [services, slice, nodes] = await Promise.all([
      known(client.list(ServiceCIDRKind)),
      known(client.get(EndpointSliceKind, { namespace: 'default', name: 'kubernetes' })),
      serviceHost === undefined ? undefined : known(client.list(PodNetworkNodeKind)),
    ]);
    const cidrs = services?.items.flatMap(({ spec }) => spec?.cidrs ?? []) ?? [];
    const guess = serviceHost === undefined ? undefined : guessServiceRange(serviceHost);
    const servers = slice?.endpoints?.flatMap(({ addresses }) => addresses ?? []) ?? [];
    return [
      ...rangesOf(SERVICES, cidrs.length > 0 ? cidrs : guess ? [guess] : []),
      ...(slice?.ports ?? []).flatMap(({ port }) => rangesOf(API_SERVER, servers, port)),
      ...rangesOf(POD_NETWORK, nodes?.items.flatMap(({ spec }) => spec?.podCIDRs ?? []) ?? []),
    ];
  }
}

/**
 * Returns the widest range, of at most 2^20 addresses, of which the address is the first but one: the API server's Service has that
 * place in the range of all Services. For clusters that do not tell it.
 */
export function guessServiceRange(address: string): string | undefined {
  if (isIP(address) !== 4) return undefined;
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) - 1;
  if (value <= 0) return undefined;
  let prefix = 32;
  while (prefix > WIDEST_GUESS && value % 2 ** (33 - prefix) === 0) prefix -= 1;
  const base = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
  return `${base}/${prefix}`;
}

/** Undefined: this API server does not know it, or does not let us read it. */
async function known<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && (error.code === 403 || error.code === 404)) return undefined;
    throw error;
  }
}

function rangesOf(what: string, texts: readonly string[], port?: number): ReservedRange[] {
  return texts.flatMap((text) => {
    const range = IpRange.parse(text);
    return range ? [{ range, port, what }] : [];
  });
}
