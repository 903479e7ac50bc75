/**
 * Serves the heap size of this process, for `node --import`: a client of the socket CAPLV_TEST_HEAP gets the bytes that the
 * main thread uses after a garbage collection, buffers included. It is no TypeScript, since the type stripper of Node takes
 * 11 MiB, some of which it frees at any time.
 */

import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/** Of garbage that a process makes while it waits. */
const SETTLED_BYTES = 50_000;
const ROUNDS = 4;

const path = process.env['CAPLV_TEST_HEAP'];
if (isMainThread && path !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const server = createServer(async (asking) => {
    let [before, now] = [Number.POSITIVE_INFINITY, inUse()];
    // What is finalized lets go of more, and code that has not run for a few rounds is thrown away.
    while (now < before - SETTLED_BYTES) {
      for (let round = 0; round < ROUNDS; round += 1) {
        collect();
        await turn();
      }
      [before, now] = [now, inUse()];
    }
    asking.end(`${now}`);
  });
  server.listen(path).unref();
}

function inUse() {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
