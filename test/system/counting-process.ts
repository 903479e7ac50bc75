/**
 * Counts in a file under a lock, as a process of a test: `node counting-process.ts <lock file> <counter> <times>`.
 * Two processes at once would lose counts.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Lock } from '../../src/system/file-lock.ts';

const [path = '', counter = '', times] = process.argv.slice(2);
for (let i = 0; i < Number(times); i++) {
  const lock = await Lock.acquire(path, { operation: 'count', timeoutMs: 30_000 });
  const count = Number(await readFile(counter, 'utf8'));
  await writeFile(counter, String(count + 1));
  await lock.release();
}
