/** Keeps a `caplv controller` running, as a kubelet does. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ControllerProcess } from './controller-process.ts';

/** `caplv controller` that is started again when it ends, as a kubelet does it. */
export class KeptController {
  readonly #env: NodeJS.ProcessEnv;
  #process: ControllerProcess;
  #isStopped = false;
  #kept: Promise<void>;

  private constructor(env: NodeJS.ProcessEnv, first: ControllerProcess) {
    this.#env = env;
    this.#process = first;
    this.#kept = this.#keep();
  }

  static async start(env: NodeJS.ProcessEnv): Promise<KeptController> {
    return new KeptController(env, await ControllerProcess.start(env));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#process.stop();
    await this.#kept;
  }

  async #keep(): Promise<void> {
    for (;;) {
      await this.#process.exited;
      if (this.#isStopped) return;
      await sleep(1_000);
      this.#process = ControllerProcess.begin(this.#env);
    }
  }
}
