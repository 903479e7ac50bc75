/** The objects of a cluster with those of the current Cluster API among them. */

import { CLUSTER_API_KINDS } from '../../api/kinds/registry.ts';
import type { ClusterConnection } from '../../app/cluster-connection.ts';
import { ProjectedStore } from '../../controllers/infrastructure/projected-store.ts';
import { INFRASTRUCTURE_NEEDS } from '../../controllers/infrastructure/setup.ts';
import { LateKindsStore } from '../../kube/runtime/late-kinds-store.ts';
import { rememberServed } from '../../kube/runtime/served.ts';

/** Either API's kinds may be missing. */
export function storeOfBothApis({
  store,
  serves,
}: Pick<ClusterConnection, 'store' | 'serves'>): ProjectedStore {
  return new ProjectedStore({
    store: new LateKindsStore({ store, kinds: CLUSTER_API_KINDS, serves }),
    infrastructure: store,
    serves: rememberServed(() => serves(INFRASTRUCTURE_NEEDS)),
  });
}
