/** Makes Terraform JSON in the worker of a `SynthThread`, the only thread of a process that loads cdktf. */
import { parentPort } from 'node:worker_threads';
import type { JsonObject } from './json.ts';
import { synthHost, synthMachine } from './synth.ts';
import type { SynthJob, SynthReply, SynthRequest } from './synth-thread.ts';

parentPort?.on('message', (request: SynthRequest) => parentPort?.postMessage(answer(request)));

function answer({ id, job }: SynthRequest): SynthReply {
  try {
    return { id, json: synth(job) };
  } catch (error) {
    return { id, error };
  }
}

function synth(job: SynthJob): JsonObject {
  return job.kind === 'machine' ? synthMachine(job.intent, job.backend) : synthHost(job.intent, job.backend);
}
