/** Whose plan a person asks for by kind and name: of a machine, or of what a cluster makes on its hosts. */

import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import { ClusterKind } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { infrastructureKey } from '../../intent/names.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { requireKind } from '../session/errors.ts';

export interface PlanSubject {
  readonly kind: ApiKind;
  /** As which it is planned, under that key: see `ProjectedStore`. */
  readonly view: typeof MachineKind | typeof ClusterKind;
  readonly keyIn: (namespace: string) => ObjectKey;
}

/** Throws TerminalError InvalidConfiguration for a kind of which there is no plan by name. */
export async function planSubject(kindName: string, name: string, flags: ClusterFlags): Promise<PlanSubject> {
  const kind = await requireKind(kindName, flags.kubeconfig);
  const isOriginal = kind.group !== INFRASTRUCTURE_GROUP;
  const view = [MachineKind, ClusterKind].find(
    (one) => kind.kind === (isOriginal ? one.kind : `Libvirt${one.kind}`),
  );
  if (!view) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `there is no plan of a ${kind.kind} by its name`,
      fix: 'name a machine or cluster, or a libvirtmachine or libvirtcluster with --kubeconfig; of a set or deployment: caplv plan -f FILE',
    });
  }
  const keyIn = (namespace: string) =>
    isOriginal ? { namespace, name } : infrastructureKey({ namespace, name });
  return { kind, view, keyIn };
}
