/** Reads from a wrapper of terraform when it was run. */

import { once } from 'node:events';
import { watch } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findTerraform } from '../../src/terraform/install/terraform.ts';

/** Never: something is broken. */
const PATIENCE_MS = 120_000;

/** A terraform that notes each of its runs. It costs a shell's start on top, 1 to 2 ms. */
export class TerraformLog {
  /** For CAPLV_TERRAFORM. */
  readonly program: string;
  readonly #log: string;

  private constructor(directory: string) {
    this.program = join(directory, 'terraform-noted');
    this.#log = join(directory, 'terraform.log');
  }

  static async in(directory: string): Promise<TerraformLog> {
    const made = new TerraformLog(directory);
    const { path } = await findTerraform();
    await writeFile(made.#log, '');
    await writeFile(made.program, `#!/bin/sh\necho "$*" >>'${made.#log}'\nexec '${path}' "$@"\n`, {
      mode: 0o755,
    });
    return made;
  }

  /** The arguments of each run so far, but for those that only ask for the version. */
  async runs(): Promise<string[]> {
    const lines = (await readFile(this.#log, 'utf8')).split('\n');
    return lines.filter((line) => line !== '' && !line.startsWith('version'));
  }

  /** Resolves at once when a run begins, after `provoke` has been called. */
  async nextRunAfter(provoke: () => Promise<unknown>): Promise<void> {
    const watcher = watch(this.#log);
    try {
      const begun = once(watcher, 'change', { signal: AbortSignal.timeout(PATIENCE_MS) });
      await provoke();
      await begun;
    } finally {
      watcher.close();
    }
  }
}
