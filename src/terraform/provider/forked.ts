/** Finds and ends the provider process that a terraform has started itself. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { parentOf } from '../../system/process-identity.ts';

/** The provider that a terraform has started itself, for this run alone. */
export class ForkedProvider {
  readonly #terraform: () => number | undefined;

  /** `terraform`: its process number, once it has one. */
  constructor(terraform: () => number | undefined) {
    this.#terraform = terraform;
  }

  /** Bytes that it has read and written so far, as the kernel tells them; undefined: it does not. */
  get activity(): string | undefined {
    try {
      return this.#processes()
        .map((pid) => readFileSync(`/proc/${pid}/io`, 'utf8'))
        .join('\n');
    } catch {
      return undefined;
    }
  }

  /** For one that no longer answers. Its terraform goes on: it fails, and saves its state. */
  kill(): void {
    for (const pid of this.#processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
  }

  /** Terraform may run in a script of the user's: its provider need not be a child of what we started. */
  #processes(): number[] {
    const terraform = this.#terraform();
    if (terraform === undefined) return [];
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => isProvider(pid) && descends(pid, terraform));
  }
}

function isProvider(pid: number): boolean {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('terraform-provider-libvirt');
  } catch {
    return false;
  }
}

function descends(pid: number, ancestor: number): boolean {
  for (let parent = parentOf(pid); parent !== undefined && parent > 1; parent = parentOf(parent)) {
    if (parent === ancestor) return true;
  }
  return false;
}
