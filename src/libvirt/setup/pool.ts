/** Creates a storage pool in a directory of a host. */

import { randomUUID } from 'node:crypto';
import { LibvirtError } from '../libvirt-error.ts';
import type { Virsh } from '../virsh.ts';
import { autostart, define, STEP_LIMIT_MS, start } from './define.ts';

export interface NewPool {
  /** Consists of letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** Absolute path on the host. */
  readonly path: string;
}

const NO_DIRECTORY = /No such file or directory/;

/**
 * Creates and starts the pool, now and with the host; its directory, too, if it is missing. What it defined and could not start is undefined
 * again. Throws LibvirtError.
 */
export async function createPool(virsh: Virsh, { name, path }: NewPool): Promise<void> {
  const uuid = randomUUID();
  await define(virsh, 'pool', poolXml(name, uuid, path));
  try {
    await startWithDirectory(virsh, uuid);
  } catch (error) {
    // It is the one of this call, by its UUID. The directory stays: it may have been there.
    await virsh.run(['pool-undefine', `--pool=${uuid}`]).catch(() => {});
    throw error;
  }
  await autostart(virsh, 'pool', uuid);
}

/** Makes the directory only if it is missing: `pool-build` would set the mode of one that exists. */
async function startWithDirectory(virsh: Virsh, uuid: string): Promise<void> {
  try {
    await start(virsh, 'pool', uuid);
  } catch (error) {
    if (!(error instanceof LibvirtError) || !NO_DIRECTORY.test(error.stderr)) throw error;
    await virsh.run(['pool-build', `--pool=${uuid}`], { timeoutMs: STEP_LIMIT_MS });
    await start(virsh, 'pool', uuid);
  }
}

function poolXml(name: string, uuid: string, path: string): string {
  const escaped = path.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<pool type='dir'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <target><path>${escaped}</path></target>
</pool>
`;
}
