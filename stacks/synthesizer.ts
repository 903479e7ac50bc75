/** Makes Terraform JSON in worker threads, which are replaced before they leak too much memory. */

import type { BackendIntent, HostIntent, MachineIntent } from './intent.ts';
import type { JsonObject } from './json.ts';
import { type SynthJob, SynthThread } from './synth-thread.ts';

/**
 * Synthesises in a worker thread. So loading cdktf (0.2 s) does not block the caller, and replacing the thread frees what cdktf leaks
 * in its global token map (45 KB for the smallest machine, 60 KB for a rich one).
 */
export class Synthesizer {
  private readonly recycleAfter: number;
  private thread: SynthThread | undefined;

  /** `recycleAfter`: synths until the thread is replaced; 500 leak about 30 MB. */
  constructor(recycleAfter = 500) {
    this.recycleAfter = recycleAfter;
  }

  /** Returns the Terraform JSON of a machine, with the secrets of an Ignition seed. The same intent gives the same bytes. */
  machine(intent: MachineIntent, backend: BackendIntent): Promise<JsonObject> {
    return this.request({ kind: 'machine', intent, backend });
  }

  /** Returns the Terraform JSON of what the machines of a host share. */
  host(intent: HostIntent, backend: BackendIntent): Promise<JsonObject> {
    return this.request({ kind: 'host', intent, backend });
  }

  /** Loads cdktf ahead of the first request. */
  warm(): void {
    if (!this.thread?.usable) this.thread = new SynthThread();
  }

  /** Ends the thread, and rejects pending requests. A later request starts another thread. */
  async close(): Promise<void> {
    await this.thread?.close();
  }

  private async request(job: SynthJob): Promise<JsonObject> {
    if (this.thread && this.thread.used >= this.recycleAfter) this.thread.retire();
    this.warm();
    return (this.thread as SynthThread).request(job);
  }
}
