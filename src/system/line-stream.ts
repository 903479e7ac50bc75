/** Splits the output of other programs into lines of limited length. */

import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { TokenBucket } from './token-bucket.ts';

/** Characters of a line that another program prints; what is longer is cut. An event has about 100. */
export const LINE_CHARACTERS = 16 * 1024;
/** Characters that are taken in the long run, and at once. What comes faster waits in the pipe. */
const RATE = { perSecond: 2 ** 20, burst: 16 * 2 ** 20 };

/** Yields the lines of a stream until it ends or is destroyed. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  const rate = new TokenBucket(RATE);
  let rest = '';
  stream.setEncoding('utf8');
  try {
    for await (const chunk of stream as AsyncIterable<string>) {
      const parts = chunk.split('\n');
      const last = parts.pop() ?? '';
      for (const part of parts) {
        yield (rest + part).slice(0, LINE_CHARACTERS);
        rest = '';
      }
      if (rest.length < LINE_CHARACTERS) rest += last;
      const pauseMs = rate.reserve(chunk.length);
      if (pauseMs > 0) await sleep(pauseMs);
    }
  } catch (error) {
    // A stream that is destroyed while it is read ends early; who destroyed it knows.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  if (rest !== '') yield rest.slice(0, LINE_CHARACTERS);
}

/** Characters of a row of a table. Names have at most 255 bytes, and paths 4,096. */
export const ROW_CHARACTERS = 8 * 1024;

/** Returns the rows of a table that virsh printed, without those that are longer than any of its own. */
export function shortLines(text: string): string[] {
  return text.split('\n').filter((line) => line.length <= ROW_CHARACTERS);
}
