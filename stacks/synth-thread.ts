/** Runs one worker thread that makes Terraform JSON. */

import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
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

/** `synth-worker.ts` in the sources, `synth-worker.js` in the build: both are beside this file. */
const WORKER = new URL(`./synth-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Limits V8's young generation, which would grow to 64 MiB of garbage before a collection. Measured over 3000 synths: the process
 * takes 152 MiB instead of 209, and no more time.
 */
const LIMITS = { maxYoungGenerationSizeMb: 12 };

/** Wraps one worker thread. Keeps the process alive only while requests are pending. */
export class SynthThread {
  private readonly worker: Worker = new (process.getBuiltinModule('node:worker_threads').Worker)(WORKER, {
    resourceLimits: LIMITS,
  });
  private readonly pending = new Map<number, PromiseWithResolvers<JsonObject>>();
  private requests = 0;
  private retired = false;

  constructor() {
    this.worker.unref();
    this.worker.on('message', (reply: SynthReply) => this.settle(reply));
    this.worker.on('error', (error) => this.end(error));
    this.worker.on('exit', () => this.end(new Error('the thread that makes Terraform JSON has ended')));
  }

  /** Returns the number of requests so far. */
  get used(): number {
    return this.requests;
  }

  /** Accepts no more requests, and ends when the pending ones are answered. */
  retire(): void {
    this.retired = true;
    if (this.pending.size === 0) void this.close();
  }

  /** Ends at once, and rejects pending requests. */
  async close(): Promise<void> {
    this.retired = true;
    await this.worker.terminate();
  }

  /** Returns false for a thread that takes no more requests. */
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
