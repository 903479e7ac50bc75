/** Writes what Machines give their Nodes, and asks for a Node only when something may have changed. */

import type { Machine } from '../../api/kinds/machine.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import { TransientError } from '../../errors.ts';
import { within } from '../../system/abortable.ts';
import { nodePatch, wantedOfNode, wantsNothing } from './metadata.ts';
import type { WorkloadNode, WorkloadNodes } from './workload-node.ts';

/** A caller waits this long for a server that is slow, in milliseconds; the work goes on without it. */
const PATIENCE_MS = 2_000;
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
  /** By the uid of the Machine. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(nodes: Pick<WorkloadNodes, 'writer'>) {
    this.#nodes = nodes;
  }

  /** True if something was, or had to be, written for the Machine. */
  hasWritten(machine: Machine): boolean {
    return (
      findCondition(machine, 'NodeMetadataApplied') !== undefined || !wantsNothing(wantedOfNode(machine))
    );
  }

  /**
   * Throws TransientError NodesUnreadable, also for what is still under way after `PATIENCE_MS`, so that a server that hangs holds no worker;
   * NodeAccessDenied; or Conflict while others write the Node at the same moment.
   */
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
    // It may be for what the Machine asked for before.
    await inTime(
      this.#running.get(uid)?.catch(() => {}),
      node,
    );
    if (this.#verified.get(uid)?.fingerprint === fingerprint) return;
    this.#verified.delete(uid);
    await inTime(this.#start(machine, node, fingerprint), node);
  }

  #start(machine: Machine, node: WorkloadNode, fingerprint: string): Promise<void> {
    const { uid = '' } = machine.metadata;
    const work = this.#apply(machine, node, fingerprint).finally(() => this.#running.delete(uid));
    // Of one that fails when nobody waits any more the next try tells.
    work.catch(() => {});
    this.#running.set(uid, work);
    return work;
  }

  async #apply(machine: Machine, node: WorkloadNode, fingerprint: string): Promise<void> {
    const writer = await this.#nodes.writer(machine);
    const metadata = await writer.metadata(node.name);
    const patch = metadata && nodePatch(wantedOfNode(machine), metadata);
    if (patch && !(await writer.patch(node.name, patch))) throw changedMeanwhile(node);
    if (metadata) this.#verified.set(machine.metadata.uid ?? '', { fingerprint, at: performance.now() });
  }
}

async function inTime(work: Promise<void> | undefined, node: WorkloadNode): Promise<void> {
  if (work) await within(work, PATIENCE_MS, () => notAnswered(node));
}

function notAnswered({ name }: WorkloadNode): TransientError {
  return new TransientError({
    code: 'NodesUnreadable',
    message: `Node ${name} cannot be changed: its API server has not answered yet`,
    fix: 'nothing to do if it answers soon; else see to its API server',
    retryAfterMs: PATIENCE_MS,
  });
}

function changedMeanwhile({ name }: WorkloadNode): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `Node ${name} is being changed by others at the same time`,
    fix: 'nothing to do: it is tried again',
    retryAfterMs: 1_000,
  });
}
