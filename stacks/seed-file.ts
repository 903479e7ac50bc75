import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineIntent, SeedIntent } from './intent.ts';
import { seedIso } from './seed-iso.ts';

/** A machine whose seed is something that Terraform can upload: no cloud-init text any more. */
export type SeededMachine = Omit<MachineIntent, 'seed'> & {
  readonly seed?: Exclude<SeedIntent, { readonly kind: 'cloudinit' }>;
};

/**
 * Makes an ISO file of a machine's cloud-init text, readable by its owner only, and returns the machine with that file as its
 * seed. Terraform reads the file when it creates the volume and at no other time: write it before an apply, remove it
 * after (`seed.source`). Where it lies does not matter to a plan.
 *
 * The volume's name ends with a digest of the content. So other content is another volume, and the name cannot be guessed
 * by users of the host: the provider makes every volume readable by all who can reach its path.
 */
export async function writeSeed(machine: MachineIntent, directory: string): Promise<SeededMachine> {
  const { iso, seeded } = withSeed(machine, directory);
  if (iso === undefined) return seeded;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Never half a file under its name: another process may be applying the same machine.
  const scratch = `${iso.path}.${process.pid}`;
  await writeFile(scratch, iso.content, { mode: 0o600 });
  await rename(scratch, iso.path);
  return seeded;
}

/** What `writeSeed` will return. */
export function seededMachine(machine: MachineIntent, directory: string): SeededMachine {
  return withSeed(machine, directory).seeded;
}

interface WithSeed {
  readonly seeded: SeededMachine;
  /** The file that it needs. */
  readonly iso?: { readonly path: string; readonly content: Uint8Array };
}

function withSeed({ seed, ...rest }: MachineIntent, directory: string): WithSeed {
  if (seed?.kind !== 'cloudinit') return { seeded: { ...rest, ...(seed && { seed }) } };
  const content = seedIso(seed);
  const volume = nameOf(seed, content);
  const path = join(directory, volume);
  const iso = { kind: 'iso', volume, pool: seed.pool, source: path } as const;
  return { seeded: { ...rest, seed: iso }, iso: { path, content } };
}

/** The name of a seed's volume. */
export function seedVolume(seed: SeedIntent): string {
  return seed.kind === 'cloudinit' ? nameOf(seed, seedIso(seed)) : seed.volume;
}

function nameOf({ volume }: SeedIntent, iso: Uint8Array): string {
  return `${volume}-${createHash('sha256').update(iso).digest('hex').slice(0, 16)}`;
}
