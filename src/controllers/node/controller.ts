/**
 * Finds the Node that a machine became, by its providerID or an address, and names it in the status; says there whether it is ready; and
 * keeps the labels, annotations and taints that the Machine gives it.
 */

import { isDeepStrictEqual } from 'node:util';
import { type Machine, MachineKind, type MachineStatus } from '../../api/kinds/machine.ts';
import { type Condition, findCondition, setCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { TransientError } from '../../errors.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import { NODE_CONDITIONS, type NodeConditionType, type Reason } from '../shared/conditions.ts';
import type { Recorder } from '../shared/recorder.ts';
import { MetadataWriter } from './metadata-writer.ts';
import { isNodeReady, nodeOf, provenNode } from './own-node.ts';
import type { WorkloadNode, WorkloadNodes } from './workload-node.ts';

export interface NodeReconcilerOptions {
  readonly store: Store;
  readonly recorder: Recorder;
  readonly nodes: Pick<WorkloadNodes, 'of' | 'writer'>;
}

const FIELD_MANAGER = 'caplv-node';
/** A watch tells of Nodes with a providerID. For the others we look: minutes after the guest has an address, or never. */
const POLLS = [
  { untilMs: 10 * 60_000, everyMs: 10_000 },
  { untilMs: Number.POSITIVE_INFINITY, everyMs: 5 * 60_000 },
];

export class NodeReconciler {
  readonly #options: NodeReconcilerOptions;
  readonly #metadata: MetadataWriter;

  constructor(options: NodeReconcilerOptions) {
    this.#options = options;
    this.#metadata = new MetadataWriter(options.nodes);
  }

  /** Throws TransientError; the status then already says so of a Machine that has a Node. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const { store, nodes } = this.#options;
    const machine = await store.get(MachineKind, key);
    if (!machine || !mayHaveNode(machine)) return {};
    const all = (await nodes.of(machine)) ?? [];
    const node = nodeOf(machine, all);
    if (!node && !machine.status?.nodeRef) return { requeueAfterMs: pollMs(machine) };
    const proven = provenNode(machine, all);
    const failure = proven && (await this.#metadata.write(machine, proven).catch(asTransient));
    await this.#save(machine, node, failure instanceof TransientError ? failure : undefined);
    if (failure instanceof TransientError) throw failure;
    return {};
  }

  async #save(
    machine: Machine,
    node: WorkloadNode | undefined,
    failure: TransientError | undefined,
  ): Promise<void> {
    const { store, recorder } = this.#options;
    const { nodeRef: before } = machine.status ?? {};
    const nodeRef = node ? refTo(node) : before;
    const conditions = this.#conditionsOf(machine, node, failure);
    const written: MachineStatus = { ...(nodeRef && { nodeRef }), conditions };
    if (isDeepStrictEqual(written, ownPart(machine.status))) return;
    const { namespace = 'default', name } = machine.metadata;
    await store.applyStatus(MachineKind, { namespace, name }, written, { fieldManager: FIELD_MANAGER });
    if (node && before?.name !== node.name)
      recorder.event(machine, { type: 'Normal', reason: 'NodeFound', message: `Node ${node.name}` });
    if (failure && findCondition(machine, 'NodeMetadataApplied')?.message !== failure.message)
      recorder.event(machine, { type: 'Warning', reason: failure.code, message: failure.message });
  }

  #conditionsOf(
    machine: Machine,
    node: WorkloadNode | undefined,
    failure: TransientError | undefined,
  ): Condition[] {
    const now = new Date().toISOString();
    const { conditions: before = [] } = ownPart(machine.status);
    const ready = setCondition(before, readiness(machine, node), now);
    if (failure) {
      const { code, message, fix } = failure;
      const text = fix === undefined ? message : `${message}; ${fix}`;
      return setCondition(ready, condition('NodeMetadataApplied', 'False', code, text), now);
    }
    if (!this.#metadata.hasWritten(machine)) return ready;
    return setCondition(ready, condition('NodeMetadataApplied', 'True', 'AsSpecified'), now);
  }
}

/** Runs, or has been a Node. */
export function mayHaveNode({ metadata, status }: Machine): boolean {
  return !metadata.deletionTimestamp && (status?.phase === 'Running' || status?.nodeRef !== undefined);
}

function readiness({ status }: Machine, node: WorkloadNode | undefined) {
  if (!node) return condition('NodeReady', 'False', 'NodeGone', `Node ${status?.nodeRef?.name} is gone`);
  if (isNodeReady(node)) return condition('NodeReady', 'True', 'AsSpecified');
  return condition('NodeReady', 'False', 'NodeNotReady', `Node ${node.name} is not ready`);
}

function condition(
  type: NodeConditionType,
  status: 'True' | 'False',
  reason: Reason | TransientError['code'],
  message = '',
) {
  return { type, status, reason, message };
}

/** What of a status the controller of Nodes writes. */
function ownPart({ nodeRef, conditions = [] }: MachineStatus = {}): MachineStatus {
  const own = conditions.filter(({ type }) => Object.hasOwn(NODE_CONDITIONS, type));
  return { ...(nodeRef && { nodeRef }), conditions: own };
}

function refTo({ name, uid }: WorkloadNode): NonNullable<MachineStatus['nodeRef']> {
  return { apiVersion: 'v1', kind: 'Node', name, ...(uid && { uid }) };
}

function asTransient(error: unknown): TransientError {
  if (error instanceof TransientError) return error;
  throw error;
}

function pollMs({ status }: Machine): number {
  const since = findCondition({ status }, 'AddressesReady')?.lastTransitionTime;
  const waitedMs = Date.now() - Date.parse(since ?? '1970-01-01');
  return POLLS.find(({ untilMs }) => waitedMs < untilMs)?.everyMs ?? 0;
}
