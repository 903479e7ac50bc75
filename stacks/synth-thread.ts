/** Runs one worker thread that makes Terraform JSON. */

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BackendIntent, HostIntent, MachineIntent } from './intent.ts';
import type { JsonObject } from './json.ts';

export type SynthJob =
  | { readonly kind: 'machine'; readonly intent: MachineIntent; readonly backend: BackendIntent }
  | { readonly kind: 'host'; readonly intent: HostIntent; readonly backend: BackendIntent };

export interface SynthRequest {
  readonly id: number;
  readonly job: SynthJob;
}

export type SynthReply = { readonly id: number } & (
  | { readonly json: JsonObject }
  | { readonly error: unknown }
);

/** `synth-worker.ts` in the sources, `synth-worker.js` in what is built: both lie beside this. */
const WORKER = new URL(`./synth-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Nearly all that a synth makes is garbage at once, and V8 would let 64 MiB of it pile up before it looks. Measured over 3000
 * synths: the process takes 152 MiB instead of 209, and no more time.
 */
const LIMITS = { maxYoungGenerationSizeMb: 12 };

/** One worker thread. Keeps the process alive only while it has something to do. */
export class SynthThread {
  private readonly worker = new Worker(WORKER, { resourceLimits: LIMITS });
  private readonly pending = new Map<number, PromiseWithResolvers<JsonObject>>();
  private requests = 0;
  private retired = false;

  constructor() {
    this.worker.unref();
    this.worker.on('message', (reply: SynthReply) => this.settle(reply));
    this.worker.on('error', (error) => this.end(error));
    this.worker.on('exit', () => this.end(new Error('the thread that makes Terraform JSON has ended')));
  }

  /** Requests so far. */
  get used(): number {
    return this.requests;
  }

  /** No more requests: it ends when those that wait are answered. */
  retire(): void {
    this.retired = true;
    if (this.pending.size === 0) void this.close();
  }

  /** Ends at once; those that wait are rejected. */
  async close(): Promise<void> {
    this.retired = true;
    await this.worker.terminate();
  }

  /** False: use another. */
  get usable(): boolean {
    return !this.retired;
  }

  request(job: SynthJob): Promise<JsonObject> {
    this.requests += 1;
    const id = this.requests;
    const waiting = Promise.withResolvers<JsonObject>();
    this.worker.postMessage({ id, job } satisfies SynthRequest);
    this.pending.set(id, waiting);
    this.worker.ref();
    return waiting.promise;
  }

  private settle(reply: SynthReply): void {
    const waiting = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if ('json' in reply) waiting?.resolve(reply.json);
    else waiting?.reject(reply.error);
    if (this.pending.size > 0) return;
    this.worker.unref();
    if (this.retired) void this.close();
  }

  private end(error: unknown): void {
    this.retired = true;
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}
