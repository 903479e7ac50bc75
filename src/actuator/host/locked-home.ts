import type { Lock } from '../../system/file-lock.ts';
import type { ActuatorOptions, VerbOptions } from '../context/options.ts';
import type { LockWait } from '../context/stale-leases.ts';
import type { StateHandle } from '../context/state-home.ts';

/** Runs `work` under the lock of a state that machines share, also between processes, with its place made ready. */
export async function lockedHome<T>(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  home: StateHandle,
  operation: string,
  options: VerbOptions & LockWait,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const lock = await terraform.lock(home.workspace, { operation, ...options });
  try {
    await home.prepare(options);
    return await work(lock);
  } finally {
    await lock.release();
  }
}
