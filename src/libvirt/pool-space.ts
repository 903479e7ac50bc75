import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, RunOptions, Virsh } from './virsh.ts';

/**
 * Bytes that a pool has left, read anew from its storage: libvirt remembers what it saw last. Throws LibvirtError, also when
 * the pool stays busy: while something is written to one of its volumes libvirt does not read it.
 */
export async function poolSpace(virsh: Virsh, pool: string, options?: RunOptions): Promise<number> {
  const option = `--pool=${pool}`;
  for (let tries = 1; ; tries++) {
    const [refreshed, info] = (await virsh.batch(
      [
        ['pool-refresh', option],
        ['pool-info', option, '--bytes'],
      ],
      options,
    )) as [Answer, Answer];
    const error = refreshed.error ?? info.error;
    if (error === undefined) return Number(/^Available:\s+(\d+)$/m.exec(info.text)?.[1]);
    if (tries === MAX_TRIES || !BUSY.test(error.message)) throw error;
    await sleep(PAUSE_MS);
  }
}

const BUSY = /asynchronous jobs running/i;

/** Libvirt notices within moments that whoever wrote has gone. */
const MAX_TRIES = 10;
const PAUSE_MS = 300;
