/** Creates and removes one machine in several ways, one after another. Each creates the same running domain. */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import type { LocalEngine } from '../../src/app/engine.ts';
import { domainName } from '../../src/intent/names.ts';
import { type Bed, manifest, type PlainTerraform, type VirshByHand, virsh } from './ways.ts';

export interface Subject {
  readonly way: string;
  /** Name in libvirt. */
  domain(round: number): string;
  /** What is not timed. */
  prepare?(round: number): Promise<void>;
  create(round: number): Promise<void>;
  /** A machine that is off. */
  remove(round: number): Promise<void>;
}

export const VIRSH = 'virsh';
export const PLAIN = 'fresh terraform';
export const WARM = 'one run, warm provider';
export const OURS = 'caplv';
export const QEMU = 'QEMU alone';
export const OTHER = 'caplv, the other build';

const RUNNING = { running: true } as const;
const ROOT = join(import.meta.dirname, '../..');
export const PROGRAM = join(ROOT, 'dist/bin.js');
/** `dist/bin.js` of another build, to be measured beside this one. */
const OTHER_PROGRAM = process.env['CAPLV_BENCH_OTHER_BUILD'];

/** The builds to be measured: another one, if there is one, and then this one. */
export const BUILDS: readonly { readonly way: string; readonly program: string }[] = [
  ...(OTHER_PROGRAM === undefined ? [] : [{ way: OTHER, program: OTHER_PROGRAM }]),
  { way: OURS, program: PROGRAM },
];

/** Starts and powers off an existing domain: every way needs at least this time. */
export async function qemuAlone(bed: Bed, hand: VirshByHand): Promise<Subject> {
  const name = 'qemu-alone';
  await hand.create(name, { running: false });
  return {
    way: QEMU,
    domain: () => name,
    create: async () => void (await virsh(bed, 'start', name)),
    remove: async () => {},
  };
}

export function byHand(hand: VirshByHand): Subject {
  const domain = (round: number) => `hand-${round}`;
  return {
    way: VIRSH,
    domain,
    create: (round) => hand.create(domain(round), RUNNING),
    remove: (round) => hand.remove(domain(round)),
  };
}

export function freshTerraform(plain: PlainTerraform): Subject {
  return terraform(PLAIN, 'plain', plain);
}

/** Nothing but the run that CAPLV cannot do without: what is above it is what CAPLV adds. */
export function warmTerraform(plain: PlainTerraform): Subject {
  return terraform(WARM, 'warm', plain);
}

function terraform(way: string, prefix: string, plain: PlainTerraform): Subject {
  const name = (round: number) => `${prefix}-${round}`;
  return {
    way,
    domain: (round) => domainOf(name(round)),
    prepare: (round) => plain.prepare(name(round), RUNNING),
    create: (round) => plain.create(name(round)),
    remove: (round) => plain.remove(name(round)),
  };
}

/** One reconcile of a new Machine, and one of a deleted one, in a running process. */
export function inProcess(bed: Bed, engine: LocalEngine): Subject {
  const key = (round: number) => ({ namespace: 'default', name: `ours-${round}` });
  return {
    way: OURS,
    domain: (round) => domainOf(key(round).name),
    async create(round) {
      const machine = manifest(bed, key(round).name, RUNNING);
      await engine.store.apply(MachineKind, machine as never, { fieldManager: 'bench' });
      await engine.machines.reconcile(key(round));
    },
    async remove(round) {
      await engine.store.delete(MachineKind, key(round));
      await engine.machines.reconcile(key(round));
    },
  };
}

/** The command, from start to end: what starting up adds. */
export function command(bed: Bed): Subject {
  const name = (round: number) => `command-${round}`;
  const file = (round: number) => join(bed.directory, `${name(round)}.json`);
  const caplv = (...args: string[]) =>
    execa(process.execPath, [PROGRAM, ...args], {
      env: { ...bed.env, CAPLV_STATE_DIR: join(bed.directory, 'state') },
    });
  return {
    way: 'caplv apply, delete',
    domain: (round) => domainOf(name(round)),
    prepare: (round) => writeFile(file(round), JSON.stringify(manifest(bed, name(round), RUNNING))),
    create: async (round) => void (await caplv('apply', '-f', file(round))),
    remove: async (round) => void (await caplv('delete', 'machine', name(round), '--now')),
  };
}

/** CDKTF's own command on our app. */
export function cdktf(bed: Bed): Subject {
  const name = (round: number) => `cdktf-${round}`;
  const file = (round: number) => join(bed.directory, `${name(round)}.json`);
  const output = join(bed.directory, 'cdktf.out');
  const run = (verb: string, round: number) =>
    execa('cdktf', [verb, name(round), '--auto-approve', '--skip-provider-lock', '--output', output], {
      cwd: ROOT,
      env: {
        ...bed.env,
        CAPLV_STATE_DIR: join(bed.directory, 'cdktf-state'),
        CAPLV_MANIFESTS: file(round),
        CI: '1',
      },
      preferLocal: true,
      stdin: 'ignore',
    });
  return {
    way: 'npx cdktf deploy, destroy',
    domain: (round) => domainOf(name(round)),
    prepare: (round) => writeFile(file(round), JSON.stringify(manifest(bed, name(round), RUNNING))),
    create: async (round) => void (await run('deploy', round)),
    async remove(round) {
      await run('destroy', round);
      await rm(output, { recursive: true, force: true });
    },
  };
}

function domainOf(name: string): string {
  return domainName({ namespace: 'default', name });
}
