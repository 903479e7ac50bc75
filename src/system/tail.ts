/** Follows a file that another process writes. */

import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';

/** Reads the lines of a file that another process is writing. */
export interface Follower {
  /** Delivers what is left, then stops. Call it when the writer has ended. */
  finish(): Promise<void>;
}

export async function follow(path: string, onLine: (line: string) => void): Promise<Follower> {
  const file = await open(path, 'r');
  const lines = new LineReader(file, onLine);
  // What goes wrong is reported by `finish`.
  const watcher = watchIfPossible(path, () => void lines.read().catch(() => {}));
  return {
    async finish() {
      watcher?.close();
      try {
        await lines.read();
        lines.end();
      } finally {
        await file.close();
      }
    },
  };
}

/** Without inotify (its limit is reached, some network file systems) all lines come at the end. */
function watchIfPossible(path: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, onChange);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

class LineReader {
  readonly #file: FileHandle;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  readonly #buffer = Buffer.alloc(64 * 1024);
  #rest = '';
  #reading: Promise<void> = Promise.resolve();

  constructor(file: FileHandle, onLine: (line: string) => void) {
    this.#file = file;
    this.#onLine = onLine;
  }

  /** Reads to the end of what is there; one reader at a time. */
  read(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#readToEnd());
    return this.#reading;
  }

  /** The last line may lack its newline. */
  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
  }

  async #readToEnd(): Promise<void> {
    for (;;) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, this.#buffer.length, null);
      if (bytesRead === 0) return;
      const lines = (this.#rest + this.#decoder.write(this.#buffer.subarray(0, bytesRead))).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#onLine(line);
    }
  }
}
