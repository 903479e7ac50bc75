/** Lists all benchmarks. */

import type { Benchmark } from './benchmark.ts';
import { boots } from './boots.ts';
import { commandLine } from './command-line.ts';
import { fleet } from './fleet.ts';
import { lifecycle } from './lifecycle.ts';
import { nodes } from './nodes.ts';
import { oneMachine } from './one-machine.ts';
import { poolSize } from './pool-size.ts';
import { requests } from './requests.ts';
import { sweep } from './sweep.ts';
import { thousand } from './thousand.ts';

/** In the order of docs/performance.md. */
export const BENCHMARKS: readonly Benchmark[] = [
  oneMachine,
  fleet,
  boots,
  thousand,
  sweep,
  requests,
  lifecycle,
  poolSize,
  commandLine,
  nodes,
];
