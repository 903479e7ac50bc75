/** Locks a directory between processes, by the kernel. */

import { once } from 'node:events';
import { execa } from 'execa';

/**
 * Runs `work` while holding the lock of a directory that exists. The kernel frees it when its holder ends, however that
 * happens, and it leaves no lock file.
 */
export async function withDirectoryLock<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const holder = execa('flock', ['--exclusive', directory, 'sh', '-c', 'echo locked; exec cat']);
  await Promise.race([once(holder.stdout, 'data'), holder]);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await holder;
  }
}
