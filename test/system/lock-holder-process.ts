/**
 * Holds a lock, as a process of a test: `node lock-holder-process.ts <lock file> [<pid that the lock is extended to>]`.
 * Prints `held` when it has the lock, and releases it when its stdin ends.
 */
import { once } from 'node:events';
import { Lock } from '../../src/system/file-lock.ts';

const [path = '', child] = process.argv.slice(2);
const lock = await Lock.acquire(path, { operation: 'apply', timeoutMs: 30_000 });
if (child !== undefined) await lock.extendTo(Number(child));
process.stdout.write('held\n');
process.stdin.resume();
await once(process.stdin, 'end');
await lock.release();
