/**
 * Notices changes in a directory and the directories in it. Not by the recursive mode of fs.watch: on Linux that follows the
 * inodes of files, and is blind to a file once it has been replaced by rename, which is how the store writes.
 */

import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

export class DirectoryWatch {
  readonly #root: string;
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  /** `root` exists. `onChange` says only that something changed, and may be called more often than that. */
  constructor(root: string, onChange: () => void) {
    this.#root = root;
    this.#onChange = onChange;
    this.#watch(root, () => this.#adopt());
    this.#adopt();
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Watches directories that are new, and lets go of those that went. */
  #adopt(): void {
    const found = readdirSync(this.#root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const directories = new Set([this.#root, ...found.map(({ name }) => join(this.#root, name))]);
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of directories) if (!this.#watchers.has(directory)) this.#watch(directory, () => {});
  }

  #watch(directory: string, before: () => void): void {
    const watcher = watch(directory, () => {
      before();
      this.#onChange();
    });
    // A directory that goes is noticed by the watch on its parent.
    watcher.on('error', () => {});
    this.#watchers.set(directory, watcher);
  }
}
