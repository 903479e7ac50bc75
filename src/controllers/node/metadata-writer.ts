/** Writes what Machines give their Nodes, and asks for a Node only when something may have changed. */

import type { Machine } from '../../api/kinds/machine.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import { TransientError } from '../../errors.ts';
import { nodePatch, wantedOfNode, wantsNothing } from './metadata.ts';
import type { WorkloadNode, WorkloadNodes } from './workload-node.ts';

/** What was written is compared with the Node again after this, in milliseconds. */
const VERIFY_MS = 30 * 60_000;

interface Verified {
  readonly fingerprint: string;
  /** `performance.now()` */
  readonly at: number;
}

export class MetadataWriter {
  readonly #nodes: Pick<WorkloadNodes, 'writer'>;
  /** By the uid of the Machine, oldest first; what is not known is read. */
  readonly #verified = new Map<string, Verified>();

  constructor(nodes: Pick<WorkloadNodes, 'writer'>) {
    this.#nodes = nodes;
  }

  /** True if something was, or had to be, written for the Machine. */
  hasWritten(machine: Machine): boolean {
    return (
      findCondition(machine, 'NodeMetadataApplied') !== undefined || !wantsNothing(wantedOfNode(machine))
    );
  }

  /** Throws TransientError NodesUnreadable, NodeAccessDenied, or Conflict while others write the Node at the same moment. */
  async write(machine: Machine, node: WorkloadNode): Promise<void> {
    if (!this.hasWritten(machine)) return;
    const wanted = wantedOfNode(machine);
    const { uid = '' } = machine.metadata;
    const fingerprint = JSON.stringify([wanted, node.name, node.uid]);
    const now = performance.now();
    for (const [one, { at }] of this.#verified) {
      if (now - at >= VERIFY_MS) this.#verified.delete(one);
      else break;
    }
    if (this.#verified.get(uid)?.fingerprint === fingerprint) return;
    this.#verified.delete(uid);
    const writer = await this.#nodes.writer(machine);
    const metadata = await writer.metadata(node.name);
    const patch = metadata && nodePatch(wanted, metadata);
    if (patch && !(await writer.patch(node.name, patch))) throw changedMeanwhile(node);
    if (metadata) this.#verified.set(uid, { fingerprint, at: now });
  }
}

function changedMeanwhile({ name }: WorkloadNode): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `Node ${name} is being changed by others at the same time`,
    fix: 'nothing to do: it is tried again',
    retryAfterMs: 1_000,
  });
}
