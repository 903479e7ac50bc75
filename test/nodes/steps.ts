/** Records the steps of a run, and writes REPORT.md. */

import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { CLUSTER_API_VERSION } from '../lab/capi/providers.ts';
import { NODE_VERSIONS } from '../lab/node-image/node-programs.ts';
import { DEBIAN_RELEASE } from '../lab/node-image/root-tree.ts';

const REPORT = join(import.meta.dirname, 'REPORT.md');

export interface Step {
  readonly name: string;
  readonly seconds: number;
  /** Of the last minute, when the step ended. */
  readonly load: number;
  readonly seen: string;
  readonly failed: boolean;
}

/** What a run of the end-to-end test did, in order, and how long each step took. */
export class Steps {
  readonly #steps: Step[] = [];

  /** Runs the step; what it returns is what was to be seen at its end. */
  async run(name: string, work: () => Promise<string>): Promise<void> {
    const start = performance.now();
    const ended = (seen: string, failed: boolean) => {
      const seconds = Math.round((performance.now() - start) / 1000);
      this.#steps.push({ name, seconds, load: loadavg()[0] ?? 0, seen, failed });
    };
    try {
      ended(await work(), false);
    } catch (error) {
      ended(String(error instanceof Error ? error.message : error).split('\n')[0] ?? '', true);
      throw error;
    }
  }

  /**
   * Replaces REPORT.md by this run, unless it ended before its first step. `planned`: names of all steps, so that the report says which did
   * not come to pass.
   */
  async write(planned: readonly string[]): Promise<void> {
    if (this.#steps.length === 0) return;
    await writeFile(REPORT, reportText(this.#steps, planned));
  }
}

export function reportText(steps: readonly Step[], planned: readonly string[]): string {
  const { kubernetes, etcd, coredns } = NODE_VERSIONS;
  const rows = steps.map(({ name, seconds, load, seen, failed }) =>
    row([name, String(seconds), load.toFixed(1), failed ? `**failed**: ${seen}` : seen]),
  );
  const missing = planned.filter((name) => !steps.some((step) => step.name === name));
  return [
    '# From a Cluster to nodes',
    '',
    'Written by `npm run test:nodes`: steps of its last run, with the seconds that each took and the load of the machine at its end (of the last',
    'minute).',
    '',
    `Guests emulated (TCG) on ${cpus().length} CPUs. Kubernetes ${kubernetes}, etcd ${etcd}, CoreDNS ${coredns}, Debian ${DEBIAN_RELEASE}, Cluster API ${CLUSTER_API_VERSION}.`,
    '',
    row(['Step', 'Seconds', 'Load', 'Seen']),
    row(['---', '---:', '---:', '---']),
    ...rows,
    ...missing.map((name) => row([name, '', '', 'did not run'])),
    '',
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
