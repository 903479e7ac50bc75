/** The file from which Terraform uploads the seed of a machine. */

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as stacks from '../../../stacks/intent.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';

/**
 * Writes a machine's seed to `directory`, readable by its owner only, unless it is a file or URL already. Returns the machine as its
 * stack takes it. Terraform reads the file when it creates the volume and at no other time: write it before an apply, remove it after.
 */
export async function writeSeed(machine: MachineIntent, directory: string): Promise<stacks.MachineIntent> {
  const { seed } = machine;
  const written = withSeedFile(machine, directory);
  if (seed?.kind !== 'cloudinit' || written.seed?.kind !== 'iso') return written;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Never half a file under its name: another process may be applying the same machine.
  const path = written.seed.source;
  const scratch = `${path}.${process.pid}`;
  await writeFile(scratch, seed.content, { mode: 0o600 });
  await rename(scratch, path);
  return written;
}

/** Returns what `writeSeed` will. Where the file lies does not matter to a plan. */
export function withSeedFile({ seed, ...machine }: MachineIntent, directory: string): stacks.MachineIntent {
  if (seed === undefined) return machine;
  if (seed.kind !== 'cloudinit') return { ...machine, seed };
  const { volume, pool } = seed;
  return { ...machine, seed: { kind: 'iso', volume, pool, source: join(directory, volume) } };
}
