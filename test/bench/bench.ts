/**
 * `npm run bench`: one machine made and removed in several ways, side by side in one run on a private libvirt, and the
 * medians compared. Only ratios mean anything: the absolute times are those of this machine today.
 */

import { mkdtemp } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MachineKind } from '../../src/api/machine.ts';
import { formatTable } from '../../src/cli/table.ts';
import { Lab } from '../lab/lab.ts';
import {
  type Bed,
  command,
  inProcess,
  manifest,
  openBenchEngine,
  plainTerraform,
  type Subject,
  virshByHand,
} from './subjects.ts';

const ROUNDS = 5;
const BIN = fileURLToPath(new URL('../../dist/bin.js', import.meta.url));

interface Timing {
  readonly subject: string;
  readonly create: readonly number[];
  readonly remove: readonly number[];
}

const lab = await Lab.up({ name: 'bench', fresh: true });
try {
  const [host] = lab.hosts;
  if (!host) throw new Error('the lab has no host');
  const directory = await mkdtemp(join(tmpdir(), 'caplv-bench-'));
  const bed: Bed = { uri: host.uri, image: lab.imagePath, directory, env: lab.env() };
  const engine = await openBenchEngine(bed);
  const baseVolume = await importImage(bed, engine);
  const subjects = [
    await virshByHand(bed, baseVolume),
    await plainTerraform(bed, engine),
    inProcess(bed, engine),
    command(bed, BIN),
  ];
  report(await measure(subjects));
  for (const subject of subjects) await subject.close();
} finally {
  await lab.down();
}

/** A machine that is defined and not started keeps the base image on the host, so that nobody's time has its import. */
async function importImage(bed: Bed, engine: Awaited<ReturnType<typeof openBenchEngine>>): Promise<string> {
  const keeper = manifest(bed, 'keeper');
  Object.assign(keeper.spec.providerSpec, { running: false });
  await engine.store.apply(MachineKind, keeper as never, { fieldManager: 'bench' });
  await engine.machines.reconcile({ namespace: 'default', name: 'keeper' });
  const machine = await engine.store.get(MachineKind, { namespace: 'default', name: 'keeper' });
  const base = machine?.status?.providerStatus?.pinned?.base;
  if (!base) throw new Error('the image was not imported');
  return base.volume;
}

/** Rounds go around all subjects, so that a slow minute of the machine hits all alike; the first round is not counted. */
async function measure(subjects: readonly Subject[]): Promise<Timing[]> {
  const timings = subjects.map(({ name }) => ({
    subject: name,
    create: [] as number[],
    remove: [] as number[],
  }));
  for (let round = 0; round <= ROUNDS; round++) {
    process.stderr.write(`round ${round} of ${ROUNDS}${round === 0 ? ' (not counted)' : ''}\n`);
    for (const [index, subject] of subjects.entries()) {
      const create = await milliseconds(() => subject.create(round));
      const remove = await milliseconds(() => subject.remove(round));
      if (round === 0) continue;
      timings[index]?.create.push(create);
      timings[index]?.remove.push(remove);
    }
  }
  return timings;
}

async function milliseconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function report(timings: readonly Timing[]): void {
  const [first] = timings;
  if (!first) return;
  const row = ({ subject, create, remove }: Timing) => [
    subject,
    `${Math.round(median(create))} ms`,
    `${(median(create) / median(first.create)).toFixed(2)}`,
    `${Math.round(median(remove))} ms`,
    `${(median(remove) / median(first.remove)).toFixed(2)}`,
  ];
  process.stdout.write(
    `\nMedians of ${ROUNDS} on ${cpus().length} CPUs, guests under TCG; create: until the domain runs.\n\n`,
  );
  process.stdout.write(
    formatTable(['WAY', 'CREATE', 'TIMES VIRSH', 'DELETE', 'TIMES VIRSH'], timings.map(row)),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
