/** Measures what a process keeps in memory after a garbage collection. */

import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

/** The memory of a process after a garbage collection: only this distinguishes a leak from a heap that grows lazily. */
export class CollectedHeap {
  readonly #socket: string;

  /** `directory`: for its socket. */
  constructor(directory: string) {
    this.#socket = join(directory, 'heap.sock');
  }

  /** For the process; `options`: of Node, beside. */
  env(options: string): { readonly CAPLV_TEST_HEAP: string; readonly NODE_OPTIONS: string } {
    const server = pathToFileURL(join(import.meta.dirname, 'heap-server.mjs'));
    return { CAPLV_TEST_HEAP: this.#socket, NODE_OPTIONS: `${options} --import ${server}` };
  }

  /** Of its main thread, in MiB. Collects its garbage first. */
  async mebibytes(): Promise<number> {
    return Number(await text(connect(this.#socket))) / 2 ** 20;
  }
}
