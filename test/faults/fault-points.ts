/** Kills processes at chosen points of an operation. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import type { Lab } from '../lab/lab.ts';

/** `pause`: terraform itself, which is held until `resume` in place of being killed. */
export type Victim = 'caplv' | 'terraform' | 'provider' | 'pause';

/** All processes, as in a power failure. */
export const EVERYTHING: readonly Victim[] = ['provider', 'terraform', 'caplv'];

/**
 * Faults by name, from outside: what runs with `env()` uses terraform-at-fault.sh, and dies where a test has said. Its
 * temporary files lie apart, so that what is left of them can be seen.
 */
export class FaultPoints {
  readonly directory: string;
  /** The real one. */
  readonly terraform: string;

  private constructor(directory: string, terraform: string) {
    this.directory = directory;
    this.terraform = terraform;
  }

  static async make(): Promise<FaultPoints> {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-faults-'));
    await mkdir(join(directory, 'tmp'));
    await mkdir(join(directory, 'points'));
    return new FaultPoints(directory, (await findTerraform()).path);
  }

  env(): Record<string, string> {
    return {
      CAPLV_TERRAFORM: join(import.meta.dirname, 'terraform-at-fault.sh'),
      FAULT_TERRAFORM: this.terraform,
      FAULT_DIR: join(this.directory, 'points'),
      TMPDIR: join(this.directory, 'tmp'),
      // Node's, which stays, and would be new for each test.
      NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
    };
  }

  /**
   * `workspace`: name of the machine, or `host`. `point`: `start VERB`, `end VERB` (init, plan, apply, destroy), `ACTION_start
   * ADDRESS`, `ACTION_complete ADDRESS` (create, update, delete), or `saved`; with `*` for any text.
   */
  async arm(workspace: string, victims: readonly Victim[], point: string): Promise<void> {
    await rm(`${this.#file(workspace)}.hit`, { force: true });
    await writeFile(this.#file(workspace), `${victims.join(',')} ${point}\n`);
  }

  isHit(workspace: string): boolean {
    return existsSync(`${this.#file(workspace)}.hit`);
  }

  /** Lets a terraform that was paused go on. */
  async resume(workspace: string): Promise<void> {
    await rm(`${this.#file(workspace)}.hit`);
  }

  /** Command lines of the processes that were started with `env()` and still run. */
  async processes(): Promise<string[]> {
    return (await this.running()).map(({ command }) => command);
  }

  /** The same with their process ids and those of their parents. */
  async running(): Promise<{ readonly pid: number; readonly parent: number; readonly command: string }[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      pids.map(async (pid) => {
        const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
        const isOurs = (await read('environ')).includes(`FAULT_DIR=${this.directory}/`);
        // A zombie has no command line.
        const command = isOurs ? (await read('cmdline')).replaceAll('\0', ' ') : '';
        const parent = Number(/^PPid:\t(\d+)$/m.exec(await read('status'))?.[1]);
        return { pid: Number(pid), parent, command };
      }),
    );
    return found.filter(({ command }) => command !== '');
  }

  /** Paths of all temporary files. */
  temporaryFiles(): Promise<string[]> {
    return readdir(join(this.directory, 'tmp'), { recursive: true });
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  #file(workspace: string): string {
    return join(this.directory, 'points', workspace);
  }
}

/** Provides fault points for the tests of a file, with the terraform of its lab. */
export function useFaultPoints(lab: () => Pick<Lab, 'env'>): () => FaultPoints {
  let faults: FaultPoints | undefined;
  beforeAll(async () => {
    process.env['PATH'] = lab().env()['PATH'];
    faults = await FaultPoints.make();
  });
  afterAll(async () => {
    await faults?.remove();
  });
  return () => {
    if (!faults) throw new Error('the tests have not begun');
    return faults;
  };
}
