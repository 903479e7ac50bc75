/**
 * Finds the Cluster of a Machine: the one it names, else the one that it was made for or without, else the only one of its
 * namespace, else none. So a Cluster that comes later changes nothing of a Machine that is there.
 */

import { type Cluster, ClusterKind } from '../../api/kinds/cluster.ts';
import { type Machine, settledCluster } from '../../api/kinds/machine.ts';
import { TerminalError, TransientError } from '../../errors.ts';
import { isInfrastructure } from '../../intent/names.ts';
import type { Store } from '../../store/store.ts';

/** Throws TransientError NotFound while a named Cluster is missing, TerminalError where the choice is not clear. */
export async function clusterOf(
  store: Store,
  machine: Pick<Machine, 'metadata' | 'spec' | 'status'>,
): Promise<Cluster | undefined> {
  const { namespace = 'default' } = machine.metadata;
  const settled = settledCluster(machine);
  if (settled && settled.name === undefined) return undefined;
  const name = settled?.name;
  if (name !== undefined) {
    const cluster = await store.get(ClusterKind, { namespace, name });
    if (cluster) return cluster;
    throw new TransientError({
      code: 'NotFound',
      path: 'spec.clusterName',
      missing: { kind: 'watched' },
      message: `there is no Cluster "${name}" in namespace "${namespace}"`,
      fix: 'create it; the Machine continues when it exists',
      retryAfterMs: 30_000,
    });
  }
  if (isInfrastructure(machine.metadata)) return undefined;
  const all = await store.list(ClusterKind, { namespace });
  const [only, ...others] = all.filter(({ metadata }) => !isInfrastructure(metadata));
  if (others.length === 0) return only;
  const names = [only, ...others].map((cluster) => cluster?.metadata.name).join(', ');
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: 'spec.clusterName',
    message: `the namespace "${namespace}" has several Clusters (${names}), and the Machine names none`,
    fix: 'set spec.clusterName, or the label cluster-api.k8s.io/cluster-name',
  });
}
