/** Defines a network or pool and starts it, for a host that has none yet. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Virsh } from '../virsh.ts';

export type Kind = 'network' | 'pool';

/** Limits each step: libvirt starts dnsmasq, or looks at all files of a directory. */
export const STEP_LIMIT_MS = 60_000;

const VERB = { network: 'net', pool: 'pool' } as const;

/** Defines an object from XML. libvirt refuses one whose name another has. Throws LibvirtError. */
export async function define(virsh: Virsh, kind: Kind, xml: string): Promise<void> {
  // virsh takes definitions from files only.
  const directory = await mkdtemp(join(tmpdir(), 'define-caplv-'));
  try {
    const file = join(directory, `${kind}.xml`);
    await writeFile(file, xml, { mode: 0o600 });
    await virsh.run([`${VERB[kind]}-define`, `--file=${file}`], { timeoutMs: STEP_LIMIT_MS });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Starts an inactive object, by name or UUID. Throws LibvirtError. */
export async function start(virsh: Virsh, kind: Kind, name: string): Promise<void> {
  await virsh.run([`${VERB[kind]}-start`, `--${kind}=${name}`], { timeoutMs: STEP_LIMIT_MS });
}

/** Makes an object start with the host, by name or UUID. Throws LibvirtError. */
export async function autostart(virsh: Virsh, kind: Kind, name: string): Promise<void> {
  await virsh.run([`${VERB[kind]}-autostart`, `--${kind}=${name}`], { timeoutMs: STEP_LIMIT_MS });
}
