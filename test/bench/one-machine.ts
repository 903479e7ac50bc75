/** Measures the life of one machine, by caplv, Terraform and virsh. */

import { type Bench, type Benchmark, timed } from './benchmark.ts';
import { standaloneBed } from './standalone-bed.ts';
import {
  byHand,
  cdktf,
  command,
  freshTerraform,
  inProcess,
  OURS,
  PLAIN,
  QEMU,
  qemuAlone,
  type Subject,
  VIRSH,
  warmTerraform,
} from './subjects.ts';
import { importImage, openBenchEngine, PlainTerraform, VirshByHand, virsh } from './ways.ts';

export const oneMachine: Benchmark<{ rounds: number; cdktfRounds: number }> = {
  name: 'one-machine',
  title:
    'One machine, from its manifest to a running domain, and from its deletion (the guest is off) until nothing is left',
  minutes: 5,
  counts: { tiny: { rounds: 1, cdktfRounds: 0 }, full: { rounds: 20, cdktfRounds: 5 } },
  measures: {
    create: { title: 'create to domain running', unit: 'ms', against: VIRSH },
    delete: { title: 'delete, guest off', unit: 'ms', against: VIRSH },
  },
  targets: [
    {
      number: 1,
      says: 'create takes at most 1.3 times what virsh takes',
      value: (median) => median('create', OURS) / median('create', VIRSH),
      unit: '×',
      atMost: 1.3,
    },
    {
      number: 2,
      says: "without QEMU's own start, create is at least 2 times faster than terraform in a fresh directory",
      value: (median) =>
        (median('create', PLAIN) - median('create', QEMU)) /
        (median('create', OURS) - median('create', QEMU)),
      unit: '×',
      atLeast: 2,
    },
    {
      number: 3,
      says: 'delete takes at most 1.3 times what virsh takes',
      value: (median) => median('delete', OURS) / median('delete', VIRSH),
      unit: '×',
      atMost: 1.3,
    },
  ],
  async run(bench, { rounds, cdktfRounds }) {
    const bed = await standaloneBed(bench, 'bench-one');
    const engine = await openBenchEngine(bed);
    bench.defer(() => engine.close());
    const hand = new VirshByHand(bed, await importImage(bed, engine), { batched: false });
    const subjects = [
      await qemuAlone(bed, hand),
      byHand(hand),
      freshTerraform(new PlainTerraform(bed, engine)),
      warmTerraform(new PlainTerraform(bed, engine, { isWarm: true })),
      inProcess(bed, engine),
      command(bed),
    ];
    const slow = cdktf(bed);
    const off = (domain: string) => virsh(bed, 'destroy', domain);
    // The first round warms what a process that runs for long has warm, and is not counted.
    for (let round = 0; round <= rounds; round++) {
      bench.progress(`round ${round} of ${rounds}${round === 0 ? ' (not counted)' : ''}`);
      for (const subject of subjects) await once(bench, subject, round, off, round > 0);
      if (round > 0 && round <= cdktfRounds) await once(bench, slow, round, off, true);
    }
  },
};

async function once(
  bench: Bench,
  subject: Subject,
  round: number,
  off: (domain: string) => Promise<unknown>,
  isCounted: boolean,
): Promise<void> {
  await subject.prepare?.(round);
  const create = await timed(() => subject.create(round));
  await off(subject.domain(round));
  const remove = await timed(() => subject.remove(round));
  if (!isCounted) return;
  bench.sample('create', subject.way, create);
  if (subject.way !== QEMU) bench.sample('delete', subject.way, remove);
}
