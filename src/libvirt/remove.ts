/** Removes domains, volumes, networks and pools. */

import { findDomain } from './domain-query.ts';
import type { Answer, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { findVolume } from './volume.ts';

// For objects that CAPLV provably owns and that are in no Terraform state, so that Terraform cannot remove them. Terraform makes all
// other changes. The callers have proven the ownership.

/** Powers the domain off and removes its definition, saved state, NVRAM and snapshot metadata; not its volumes. */
export async function removeDomain(virsh: Virsh, name: string): Promise<void> {
  const found = await findDomain(virsh, name);
  if (found === undefined) return;
  const domain = `--domain=${found.uuid}`;
  const [destroyed, undefined_, left] = (await virsh.batch(
    [
      ['destroy', domain],
      ['undefine', domain, '--nvram', '--managed-save', '--snapshots-metadata', '--checkpoints-metadata'],
      ['list', '--all', '--uuid'],
    ],
    { timeoutMs: REMOVE_LIMIT_MS },
  )) as [Answer, Answer, Answer];
  // It may be off already, or gone with its process: only the outcome counts.
  if (left.error) throw left.error;
  if (left.text.includes(found.uuid)) throw undefined_.error ?? destroyed.error;
}

/** Limits the removal: libvirt kills QEMU after 15 s, and writing its caches may take longer. */
const REMOVE_LIMIT_MS = 60_000;

export async function removeVolume(virsh: Virsh, pool: string, name: string): Promise<void> {
  if ((await findVolume(virsh, pool, name)) === undefined) return;
  const [answer] = await virsh.batch([['vol-delete', `--pool=${pool}`, `--vol=${name}`]], {
    timeoutMs: REMOVE_LIMIT_MS,
  });
  if (answer?.error && answer.error.code !== 'notFound') throw answer.error;
}

/** Undefines an inactive network or pool, by UUID; the files in the directory of a pool stay. */
export async function removeInactive(virsh: Virsh, kind: 'network' | 'pool', uuid: string): Promise<void> {
  const option = `--${kind}=${uuid}`;
  // Removes the directory of a pool, too, if it is empty.
  const commands: Command[] =
    kind === 'network'
      ? [['net-undefine', option]]
      : [
          ['pool-delete', option],
          ['pool-undefine', option],
        ];
  const error = (await virsh.batch(commands)).at(-1)?.error;
  if (error) throw error;
}
