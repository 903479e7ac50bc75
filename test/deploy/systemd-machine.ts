/** Runs a systemd of its own beside that of this machine. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa, type Result } from 'execa';
import { vi } from 'vitest';
import { PROGRAM } from '../cluster/controller-process.ts';
import { DEPLOY } from './manifests.ts';

const SCRIPT = join(import.meta.dirname, 'systemd-machine.sh');
const SOON = { timeout: 60_000, interval: 100 };

/** This machine once more, with a systemd of its own, and the command `caplv` of this checkout in its PATH. */
export class SystemdMachine {
  readonly #directory: string;
  readonly #unshare: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(directory: string, unshare: ChildProcess) {
    this.#directory = directory;
    this.#unshare = unshare;
    this.#ended = once(unshare, 'close');
  }

  /** @param shared directory that it sees as this machine does */
  static async boot(shared: string): Promise<SystemdMachine> {
    const directory = await mkdtemp(join(tmpdir(), 'caplv-systemd-'));
    const files = await ownFiles(directory);
    await mkdir(join(directory, 'machine'));
    const script = [SCRIPT, join(directory, 'machine'), files, shared];
    // All of it ends with this process, however that ends: what nspawn starts outlives it, but not its namespace.
    const namespaces = [
      '--mount',
      '--propagation=private',
      '--pid',
      '--mount-proc',
      '--fork',
      '--kill-child',
    ];
    const command = ['--pdeathsig=KILL', 'unshare', ...namespaces, 'sh', ...script];
    const unshare = spawn('setpriv', command, { stdio: ['ignore', 'inherit', 'inherit'] });
    const machine = new SystemdMachine(directory, unshare);
    await vi.waitFor(async () => {
      const { stdout } = await machine.try('systemctl', 'is-system-running', '--wait');
      if (!/running|degraded/.test(stdout)) throw new Error(`systemd has not started: ${stdout}`);
    }, SOON);
    return machine;
  }

  async run(...command: readonly string[]): Promise<string> {
    const result = await this.try(...command);
    if (result.exitCode === 0) return result.stdout;
    throw new Error(`${command.join(' ')}: ${result.stdout}\n${result.stderr}`);
  }

  /** Lets every user reach these files, wherever this checkout and the cache of the tests lie. */
  async open(...paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const real = await realpath(path);
      for (let parent = dirname(real); parent !== '/'; parent = dirname(parent)) {
        await this.run('chmod', 'a+rx', parent);
      }
    }
  }

  /** Does not throw. */
  async try(...command: readonly string[]): Promise<Result<{ reject: false }>> {
    return execa('nsenter', ['--all', '--target', await this.#first(), ...command], { reject: false });
  }

  /** Process 1 in there: a child of nspawn, which is the child of unshare. */
  async #first(): Promise<string> {
    return childOf(await childOf(String(this.#unshare.pid)));
  }

  async poweroff(): Promise<void> {
    this.#unshare.kill('SIGKILL');
    await this.#ended;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** What lies over the root: the command, and deploy/systemd to be installed. */
async function ownFiles(directory: string): Promise<string> {
  const files = join(directory, 'files');
  await mkdir(join(files, 'usr/local/bin'), { recursive: true });
  await cp(join(DEPLOY, 'systemd'), join(files, 'opt/caplv/deploy/systemd'), { recursive: true });
  // The service has a /tmp of its own, and this checkout may lie below ours.
  const dropIn = join(files, 'etc/systemd/system/caplv.service.d');
  await mkdir(dropIn, { recursive: true });
  await writeFile(join(dropIn, 'checkout.conf'), `[Service]\nBindReadOnlyPaths=${join(DEPLOY, '..')}\n`);
  const caplv = `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`;
  await writeFile(join(files, 'usr/local/bin/caplv'), caplv, { mode: 0o755 });
  return files;
}

async function childOf(pid: string): Promise<string> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
}
