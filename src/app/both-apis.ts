/** Serves the kinds of the current Cluster API beside the original ones, where the store may have them: one view of both. */

import type { WhileRunning } from '../actuator/context/options.ts';
import { EndpointClaims } from '../actuator/host/endpoint-claims.ts';
import { IPAM_KINDS } from '../api/infrastructure/ipam.ts';
import { CLUSTER_API_KINDS } from '../api/kinds/registry.ts';
import { AddressClaims } from '../controllers/infrastructure/address-claims.ts';
import { byApi } from '../controllers/infrastructure/by-api.ts';
import { LibvirtClusterReconciler } from '../controllers/infrastructure/cluster-reconciler.ts';
import { ControlPlaneEndpoints } from '../controllers/infrastructure/control-plane-endpoints.ts';
import { HostHandover } from '../controllers/infrastructure/host-handover.ts';
import { HostRecords } from '../controllers/infrastructure/host-records.ts';
import { LibvirtMachineReconciler } from '../controllers/infrastructure/machine-reconciler.ts';
import {
  INFRASTRUCTURE_NEEDS,
  infrastructureRecorder,
  setupInfrastructure,
} from '../controllers/infrastructure/setup.ts';
import { machineViewOf } from '../controllers/shared/machine-view.ts';
import { setupDependencies } from '../controllers/shared/setup.ts';
import type { MachineIdentity } from '../intent/names.ts';
import type { Policy } from '../intent/policy.ts';
import type { Controller } from '../kube/runtime/controller.ts';
import { LateKindsStore } from '../kube/runtime/late-kinds-store.ts';
import type { Manager } from '../kube/runtime/manager.ts';
import { rememberServed } from '../kube/runtime/served.ts';
import type { Store } from '../store/store.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backend } from './backend.ts';
import type { Engine } from './engine.ts';

export interface BothApisOptions {
  readonly backend: Backend;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Serve only those objects of the current Cluster API whose label watch-filter has this value; undefined: all. */
  readonly watchFilter?: string | undefined;
}

/** Returns the store to watch: kinds that the API server does not have yet are empty there. */
export function storeOfBoth({ backend, log }: Pick<BothApisOptions, 'backend' | 'log'>): Store {
  const { store, serves } = backend;
  return serves ? new LateKindsStore({ store, kinds: CLUSTER_API_KINDS, serves, log }) : store;
}

/** `original`: dependencies of controllers that know the original kinds only; `shared`: of those that serve, or know of, both APIs. */
export function setupBothApis(manager: Manager, liveStore: Store, options: BothApisOptions) {
  const { backend, log, metrics, watchFilter } = options;
  const { installation, serves, servesKind } = backend;
  const recorder = infrastructureRecorder(backend.recorder);
  const original = setupDependencies(manager, { log, metrics, recorder, liveStore });
  const infrastructure =
    serves &&
    setupInfrastructure(manager, {
      ...original,
      serves: rememberServed(() => serves(INFRASTRUCTURE_NEEDS)),
      servesClaims: rememberServed(() => serves(IPAM_KINDS)),
      watchFilter,
    });
  const store = Object.assign(infrastructure?.store ?? original.store, { installation });
  const machines = infrastructure?.machines ?? machineViewOf(original.informers.machines);
  const { ownStore, blocks, records } = infrastructure ?? {};
  const addresses =
    infrastructure &&
    servesKind &&
    new AddressClaims({
      infrastructure: infrastructure.ownStore,
      store,
      serves: infrastructure.servesClaims,
      servesPool: servesKind,
    });
  const own = ownStore &&
    blocks &&
    records &&
    addresses && { infrastructure: ownStore, blocks, records, addresses, store, watchFilter };
  return {
    original,
    shared: { ...original, store, machines },
    /** For sweeps: machines of both APIs as they are now. */
    liveStore: infrastructure?.liveStore ?? liveStore,
    reconcilerOf:
      own &&
      (({ machines: reconciler, actuator, resolver }: Engine) => {
        const settle = (machine: MachineIdentity, uri: string) =>
          actuator.settle({ ...machine, uri: resolver.hostOf({ uri }) });
        return byApi(reconciler, new LibvirtMachineReconciler({ ...own, machines: reconciler, settle }));
      }),
    /** See MachineDependencies. */
    beforeRelease: addresses?.release.bind(addresses),
    /** See ActuatorOptions. */
    whileRunning: blocks?.whileRunning.bind(blocks) as WhileRunning | undefined,
    clusterReconciler: (
      { clusters, hosts, libvirt }: Pick<Engine, 'clusters' | 'hosts' | 'libvirt'>,
      policy: Policy,
    ) => {
      if (!own) return clusters;
      const endpoints = new ControlPlaneEndpoints({ ...own, claims: new EndpointClaims(libvirt) });
      const hostRecords = new HostRecords(liveStore);
      const handover = new HostHandover({ records: hostRecords, hosts, endpoints, policy });
      return byApi(clusters, new LibvirtClusterReconciler({ ...own, clusters, endpoints, handover }));
    },
    watch: (machine: Controller, cluster: Controller) => {
      infrastructure?.watchMachines(machine);
      infrastructure?.watchClusters(cluster);
    },
    watchLibvirtMachines: infrastructure?.watchMembers,
    /** Has templates say what their hosts are. */
    serveTemplates: ({ libvirt }: Pick<Engine, 'libvirt'>, policy: Policy) => {
      const archOf = async (uri: string) => {
        const host = policy.host(uri);
        return host === undefined ? undefined : (await libvirt(host).facts()).arch;
      };
      infrastructure?.serveTemplates({ archOf, defaultHost: policy.defaultHost });
    },
  };
}
