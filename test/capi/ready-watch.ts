/** Measures when the condition Ready of objects changes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { KubeLab } from '../lab/kube/kube-lab.ts';

/** The condition Ready of one object, at an event of a watch. */
export interface ReadyEvent {
  readonly type: string;
  readonly name: string;
  /** Reason of condition Ready; empty: it has none. */
  readonly reason: string;
  /** Terraform runs for it: the annotation by which `clusterctl move` waits is there. */
  readonly isAtWork: boolean;
  /** performance.now() at which the event came. */
  readonly at: number;
}

// Without a range: kubectl 1.36 fails with one at the second object that it shows.
const REASON = '{.object.status.conditions[?(@.type=="Ready")].reason}';
const LINE = `{.type}{" "}{.object.metadata.name}{" "}${REASON}{" "}{.object.metadata.annotations}{"\\n"}`;
const BLOCK = 'clusterctl.cluster.x-k8s.io/block-move';

/** Condition Ready of the objects of one resource in the namespace `default`, by the events of a watch: when it changed, to the millisecond. */
export class ReadyWatch {
  readonly #events: ReadyEvent[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #child: ChildProcess;

  constructor(kube: KubeLab, resource: string) {
    const args = [`--kubeconfig=${kube.kubeconfig}`, '--namespace=default', 'get', resource, '--watch'];
    this.#child = spawn(kube.kubectl, [...args, '--output-watch-events', `--output=jsonpath=${LINE}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = this.#child.stdout;
    if (output) createInterface(output).on('line', (line) => this.#take(line));
  }

  /** Rejects if it ended by itself. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) throw new Error('the watch of kubectl has ended');
    this.#child.kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  /** The first event of that object at or after `since` of which this is true; waits for it. */
  async first(name: string, since: number, isSo: (event: ReadyEvent) => boolean): Promise<ReadyEvent> {
    for (;;) {
      const found = this.#events.find((event) => event.name === name && event.at >= since && isSo(event));
      if (found) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  #take(line: string): void {
    const [type = '', name = '', reason = '', ...annotations] = line.split(' ');
    const isAtWork = annotations.join(' ').includes(BLOCK);
    this.#events.push({ type, name, reason, isAtWork, at: performance.now() });
    for (const wake of this.#waiting) wake();
  }
}
