/** Finds the Node that a machine became, by its providerID or an address, and names it in the status. */

import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import type { Recorder } from '../shared/recorder.ts';

/** Of a Kubernetes Node, what is needed here. */
export interface WorkloadNode {
  readonly name: string;
  readonly uid: string | undefined;
  readonly providerID: string | undefined;
  readonly addresses: readonly string[];
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly lastTransitionTime?: string | null;
  }[];
}

/** Nodes of the cluster that a Machine is to be part of. Throws TransientError NodesUnreadable. */
export interface WorkloadNodes {
  /** As a watch shows them: costs no request a Node, and may be old while a connection hangs. */
  of(machine: Machine): Promise<readonly WorkloadNode[]>;
  /** As they are now. */
  read(machine: Machine): Promise<readonly WorkloadNode[]>;
  /** Tells of each Node that comes, goes, or changes in what is said of it here, in any cluster that was asked for. */
  addHandler(handler: (node: WorkloadNode) => void): void;
}

export interface NodeReconcilerOptions {
  readonly store: Store;
  readonly recorder: Recorder;
  readonly nodes: Pick<WorkloadNodes, 'of'>;
}

const FIELD_MANAGER = 'caplv-node';
/** A watch tells of Nodes with a providerID. For the others we look: minutes after the guest has an address, or never. */
const POLLS = [
  { untilMs: 10 * 60_000, everyMs: 10_000 },
  { untilMs: Number.POSITIVE_INFINITY, everyMs: 5 * 60_000 },
];

export class NodeReconciler {
  readonly #options: NodeReconcilerOptions;

  constructor(options: NodeReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(key: ObjectKey): Promise<Result> {
    const { store, recorder, nodes } = this.#options;
    const machine = await store.get(MachineKind, key);
    if (!machine || !isAwaited(machine)) return {};
    const node = nodeOf(machine, await nodes.of(machine));
    if (!node) return { requeueAfterMs: pollMs(machine) };
    const nodeRef = { apiVersion: 'v1', kind: 'Node', name: node.name, ...(node.uid && { uid: node.uid }) };
    await store.applyStatus(MachineKind, key, { nodeRef }, { fieldManager: FIELD_MANAGER });
    recorder.event(machine, { type: 'Normal', reason: 'NodeFound', message: `Node ${node.name}` });
    return {};
  }
}

/** Runs, and has no Node yet. */
export function isAwaited({ metadata, status }: Machine): boolean {
  return !metadata.deletionTimestamp && status?.phase === 'Running' && status.nodeRef === undefined;
}

/** A providerID names one machine for ever; an address may be another's by tomorrow, so it counts only for nodes without one. */
export function nodeOf({ spec, status }: Machine, nodes: readonly WorkloadNode[]): WorkloadNode | undefined {
  const byId = nodes.find(({ providerID }) => providerID !== undefined && providerID === spec.providerID);
  if (byId) return byId;
  const own = new Set(
    (status?.addresses ?? []).flatMap((one) => (one.type === 'InternalIP' ? one.address : [])),
  );
  return nodes.find(({ providerID, addresses }) => !providerID && addresses.some((one) => own.has(one)));
}

function pollMs({ status }: Machine): number {
  const since = findCondition({ status }, 'AddressesReady')?.lastTransitionTime;
  const waitedMs = Date.now() - Date.parse(since ?? '1970-01-01');
  return POLLS.find(({ untilMs }) => waitedMs < untilMs)?.everyMs ?? 0;
}
