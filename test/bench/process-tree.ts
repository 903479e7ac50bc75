/** Measures the resources of a process and its descendants, from /proc (proc_pid_stat(5)). */

import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second, as the kernel reports to programs on every Linux. */
const TICKS = 100;
const PAGE_BYTES = 4096;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Seconds, with those of its children that have ended. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  /** Of the process alone. */
  readonly ownRssMiB: number;
}

export function usageOf(pid: number): Usage {
  const all = readdirSync('/proc').flatMap((name) =>
    /^\d+$/.test(name) ? (statOf(Number(name)) ?? []) : [],
  );
  const own = all.find((stat) => stat.pid === pid);
  if (!own) throw new Error(`process ${pid} has ended`);
  const tree = [own];
  // Grows while it is walked.
  for (const { pid: parent } of tree) tree.push(...all.filter((stat) => stat.parent === parent));
  return {
    cpuSeconds: sum(tree.map(({ cpuSeconds }) => cpuSeconds)),
    rssMiB: sum(tree.map(({ rssMiB }) => rssMiB)),
    ownRssMiB: own.rssMiB,
  };
}

/** CPU seconds of all children that this process has waited for. */
export function endedChildrenCpuSeconds(): number {
  return (
    fields('self')
      .slice(13, 15)
      .reduce((total, ticks) => total + Number(ticks), 0) / TICKS
  );
}

function statOf(pid: number): Stat | undefined {
  try {
    const [, parent = '', ...rest] = fields(pid);
    const cpu = sum(rest.slice(9, 13).map(Number)) / TICKS;
    return {
      pid,
      parent: Number(parent),
      cpuSeconds: cpu,
      rssMiB: (Number(rest[19]) * PAGE_BYTES) / 2 ** 20,
    };
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** From the third on; the second is the program's name in parentheses, which may hold anything. */
function fields(pid: number | 'self'): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
