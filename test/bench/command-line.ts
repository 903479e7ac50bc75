/** Measures short commands without a cluster. */

import { execa } from 'execa';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { type Benchmark, timed } from './benchmark.ts';
import { standaloneBed } from './standalone-bed.ts';
import { PROGRAM } from './subjects.ts';
import { manifest, openBenchEngine } from './ways.ts';

const NODE = 'node -e 0';
const HELP = 'caplv --help';
const GET = 'caplv get machines';

export const commandLine: Benchmark<{ rounds: number; machines: number }> = {
  name: 'command-line',
  title: 'Short calls of the command, without a cluster, against a Node that does nothing',
  minutes: 1,
  counts: { tiny: { rounds: 2, machines: 1 }, full: { rounds: 40, machines: 10 } },
  measures: { call: { title: 'one call', unit: 'ms', against: NODE } },
  targets: [
    {
      number: 14,
      says: `${HELP} takes at most 60 ms on top of ${NODE}`,
      value: (median) => median('call', HELP) - median('call', NODE),
      unit: 'ms',
      atMost: 60,
    },
    {
      number: 14,
      says: `${GET} takes at most 120 ms on top of ${NODE}`,
      value: (median) => median('call', GET) - median('call', NODE),
      unit: 'ms',
      atMost: 120,
    },
  ],
  async run(bench, { rounds, machines }) {
    const bed = await standaloneBed(bench, 'bench-command');
    const engine = await openBenchEngine(bed);
    bench.defer(() => engine.close());
    for (let index = 0; index < machines; index++) {
      bench.progress(`machine ${index + 1} of ${machines}`);
      const key = { namespace: 'default', name: `listed-${index}` };
      const machine = manifest(bed, key.name, { running: false });
      await engine.store.apply(MachineKind, machine as never, { fieldManager: 'bench' });
      await engine.machines.reconcile(key);
    }
    const env = { ...bed.env, CAPLV_STATE_DIR: `${bed.directory}/state` };
    const calls = [
      { way: NODE, args: ['-e', '0'] },
      { way: HELP, args: [PROGRAM, '--help'] },
      { way: GET, args: [PROGRAM, 'get', 'machines'] },
    ];
    bench.progress(`${rounds} rounds`);
    for (let round = 0; round <= rounds; round++) {
      for (const { way, args } of calls) {
        const ms = await timed(() => execa(process.execPath, args, { env }));
        // The first compiles, and keeps what it compiled.
        if (round > 0) bench.sample('call', way, ms);
      }
    }
    bench.note(`${machines} machines, defined on one host.`);
  },
};
