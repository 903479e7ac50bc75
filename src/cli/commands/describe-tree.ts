/** Shows a Cluster, deployment or set as the tree of its machines and their Nodes, each with why it is not ready. */

import { type Cluster, ClusterKind } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { clusterNameOf, type Machine, MachineKind, settledCluster } from '../../api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../api/kinds/machine-deployment.ts';
import { MachineHealthCheckKind } from '../../api/kinds/machine-health-check.ts';
import { MachineSetKind } from '../../api/kinds/machine-set.ts';
import { type Condition, conditionOf } from '../../apimachinery/conditions.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { controllerOf } from '../../apimachinery/owner-reference.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import { formatDuration } from '../../system/duration.ts';
import type { Description } from '../objects/description.ts';
import { formatTable } from '../output/table.ts';
import { notFound } from '../session/errors.ts';
import type { Session } from '../session/session.ts';

/** One object of a tree, and what is below it. */
export interface Node {
  readonly kind: string;
  readonly name: string;
  readonly phase: string | undefined;
  readonly conditions: readonly Condition[];
  readonly children: readonly Node[];
}

export async function describeTree(
  session: Session,
  kind: ApiKind,
  namespace: string,
  name: string,
): Promise<Description> {
  const { store } = session;
  const unreadable: UnreadableObjectError[] = [];
  await session.refresh(await store.list(MachineKind, { namespace, onUnreadable: () => {} }));
  return { ...treeDescription(await treeOf(store, kind, namespace, name, unreadable)), unreadable };
}

async function treeOf(
  store: Store,
  kind: ApiKind,
  namespace: string,
  name: string,
  broken: UnreadableObjectError[],
): Promise<Node> {
  const root = await store.get(kind, { namespace, name });
  if (!root) throw notFound(kind, name, namespace);
  const others = {
    namespace,
    onUnreadable: (errors: readonly UnreadableObjectError[]) => broken.push(...errors),
  };
  const [clusters, machines, sets, deployments, checks] = await Promise.all([
    store.list(ClusterKind, others),
    store.list(MachineKind, others),
    store.list(MachineSetKind, others),
    store.list(MachineDeploymentKind, others),
    store.list(MachineHealthCheckKind, others),
  ]);
  const isOurs = (named: string | undefined) =>
    (named ?? (clusters.length === 1 ? name : undefined)) === name;
  const ofCluster = () => [
    ...machines.filter((machine) => {
      const settled = settledCluster(machine);
      return settled ? settled.name === name : isOurs(undefined);
    }),
    ...[...sets, ...deployments].filter(({ spec }) =>
      isOurs(clusterNameOf({ metadata: { name: '', ...spec.template.metadata }, spec: spec.template.spec })),
    ),
    ...checks.filter(({ spec }) => isOurs(spec.clusterName)),
  ];
  const isCluster = kind === ClusterKind;
  const mine: KubeObject[] = isCluster ? ofCluster() : [...machines, ...sets];
  const uids = new Set(mine.map(({ metadata }) => metadata.uid));
  const ownedBy = (owner: string | undefined) =>
    mine
      .filter((object) => {
        const controller = controllerOf(object)?.uid;
        return owner === undefined ? controller === undefined || !uids.has(controller) : controller === owner;
      })
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const withOwned = (object: KubeObject, children: readonly KubeObject[]): Node =>
    nodeOf(
      object,
      children.map((child) => withOwned(child, ownedBy(child.metadata.uid))),
    );
  return withOwned(root, ownedBy(isCluster ? undefined : root.metadata.uid));
}

export function nodeOf(object: KubeObject, children: readonly Node[]): Node {
  const status = object.status as Cluster['status'];
  return {
    kind: object.kind,
    name: object.metadata.name,
    phase: status?.phase,
    conditions: status?.conditions ?? [],
    children: [...workloadNodesOf(object), ...children],
  };
}

/** The Node that a Machine became, as its conditions say. */
function workloadNodesOf({ kind, status }: KubeObject): Node[] {
  const { nodeRef, conditions } =
    (kind === MachineKind.kind ? (status as Machine['status']) : undefined) ?? {};
  if (!nodeRef) return [];
  const ready = conditionOf(conditions, 'NodeReady');
  const others = ['NodeMetadataApplied', 'NodeDrained', 'NodeDeleted'].flatMap(
    (type) => conditionOf(conditions, type) ?? [],
  );
  const shown = [...(ready ? [{ ...ready, type: 'Ready' }] : []), ...others];
  return [{ kind: 'Node', name: nodeRef.name, phase: undefined, conditions: shown, children: [] }];
}

export function treeDescription(tree: Node): Description {
  const header = ['NAME', 'PHASE', 'READY', 'REASON', 'SINCE', 'MESSAGE'];
  return { text: formatTable(header, rowsOf(tree, '', '')), data: tree };
}

/** `first` stands before the node itself, `rest` before what is below it. */
function rowsOf(node: Node, first: string, rest: string): string[][] {
  const ready = conditionOf(node.conditions, 'Ready');
  const since = ready && formatDuration(Date.now() - Date.parse(ready.lastTransitionTime));
  return [
    [
      `${first}${node.kind}/${node.name}`,
      node.phase ?? '',
      ready?.status ?? '',
      ready?.reason ?? '',
      since ?? '',
      ready?.message.split('\n')[0] ?? '',
    ],
    ...node.children.flatMap((child, index) => {
      const isLast = index === node.children.length - 1;
      return rowsOf(child, `${rest}${isLast ? '└─' : '├─'}`, `${rest}${isLast ? '  ' : '│ '}`);
    }),
  ];
}
