/** Records the result of a fault for REPORT.md. */

import type { TestContext } from 'vitest';

/** One row of REPORT.md. Say what holds in every run: no times, names of hosts or numbers that chance decides. */
export interface RecordedFault {
  /** What is broken, for example `SIGKILL of terraform, libvirt_volume.root just made`. */
  readonly fault: string;
  /** What a user sees: the condition, or the output of the command. `—` if nothing. */
  readonly seen: string;
  /** How it ends. */
  readonly outcome: string;
}

declare module 'vitest' {
  interface TaskMeta {
    faults?: RecordedFault[];
  }
}

/** Notes for REPORT.md what the test has seen. Call it when that is proven. */
export function record({ task }: Pick<TestContext, 'task'>, ...faults: readonly RecordedFault[]): void {
  task.meta.faults = [...(task.meta.faults ?? []), ...faults];
}
