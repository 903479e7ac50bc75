/** Finds the storage pool that was too full for an upload. */

import { TransientError } from '../../errors.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';

/**
 * Why an upload into one of `pools` did not come to an end: provider 0.8.3 hangs, and says nothing, if libvirt refuses the rest
 * of what it has sent. Undefined: all have space, or do not say.
 */
export async function fullPool(
  libvirt: Libvirt,
  pools: Iterable<string>,
): Promise<TransientError | undefined> {
  for (const pool of pools) {
    const bytes = await libvirt.poolSpace(pool).catch((error: unknown) => {
      if (error instanceof LibvirtError) return undefined;
      throw error;
    });
    if (bytes === undefined || bytes >= FULL_BYTES) continue;
    return new TransientError({
      code: 'InsufficientCapacity',
      message: `the upload of an image into pool "${pool}" of ${libvirt.uri} did not come to an end, since the pool is full: ${bytes} bytes are left`,
      fix: 'free space in the storage pool',
      retryAfterMs: 60_000,
    });
  }
  return undefined;
}

/** Libvirt writes in blocks: of a full pool less than one may be left. */
const FULL_BYTES = 1024 ** 2;
