/** Makes Terraform JSON in worker threads, which are replaced before they leak too much memory. */

import type { BackendIntent, HostIntent, MachineIntent } from './intent.ts';
import type { JsonObject } from './json.ts';
import { type SynthJob, SynthThread } from './synth-thread.ts';

/**
 * Synthesises in a worker thread: loading cdktf (0.2 s) does not block the caller, and what cdktf leaks (45 KB for the
 * smallest machine, 60 KB for a rich one, kept in its global token map) is freed when the thread is replaced.
 */
export class Synthesizer {
  private readonly recycleAfter: number;
  private thread: SynthThread | undefined;

  /** `recycleAfter`: synths until the thread is replaced; 500 leak about 30 MB. */
  constructor(recycleAfter = 500) {
    this.recycleAfter = recycleAfter;
  }

  /** Terraform JSON of a machine: the same intent gives the same bytes. Holds the secrets of an Ignition seed. */
  machine(intent: MachineIntent, backend: BackendIntent): Promise<JsonObject> {
    return this.request({ kind: 'machine', intent, backend });
  }

  /** Terraform JSON of what the machines of a host share. */
  host(intent: HostIntent, backend: BackendIntent): Promise<JsonObject> {
    return this.request({ kind: 'host', intent, backend });
  }

  /** Loads cdktf, for a caller who knows that he will need it soon. */
  warm(): void {
    if (!this.thread?.usable) this.thread = new SynthThread();
  }

  /** Ends the thread; requests that wait are rejected. A later request starts another. */
  async close(): Promise<void> {
    await this.thread?.close();
  }

  private async request(job: SynthJob): Promise<JsonObject> {
    if (this.thread && this.thread.used >= this.recycleAfter) this.thread.retire();
    this.warm();
    return (this.thread as SynthThread).request(job);
  }
}
