/** Runs processes in namespaces of their own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';

const SCRIPT = join(import.meta.dirname, 'sandbox.sh');
const NAMESPACES = ['--mount', '--net', '--pid', '--ipc', '--uts'];

/** Directories below the sandbox's own that cover those of the machine (sandbox.sh says which is which). */
const DIRECTORIES = ['cache', 'dev', 'etc', 'lib', 'log', 'run'];

interface SandboxRecord {
  /** Number 1 inside. */
  readonly first: ProcessIdentity;
  /** `unshare`, its parent, which ends right after it. */
  readonly launcher: ProcessIdentity;
}

/**
 * Namespaces in which a libvirtd believes to have a machine for itself. They live exactly as long as their first
 * process: when that is killed the kernel ends every other process in there, and unmounts all.
 */
export class Sandbox {
  readonly #record: SandboxRecord;

  private constructor(record: SandboxRecord) {
    this.#record = record;
  }

  /** Number of the first process as the machine sees it. */
  get pid(): number {
    return this.#record.first.pid;
  }

  /** The running sandbox of this directory, if there is one. */
  static async find(directory: string): Promise<Sandbox | undefined> {
    const text = await readFile(recordPath(directory), 'utf8').catch(() => undefined);
    if (!text) return undefined;
    const record: SandboxRecord = JSON.parse(text);
    return (await isAlive(record.first)) ? new Sandbox(record) : undefined;
  }

  /**
   * Needs root. The caller makes sure that none is running in this directory, which must not lie below /dev, /proc,
   * /run or /sys.
   *
   * @param root a root file system whose programs take the place of the machine's inside; absent: the machine's own
   */
  static async start(directory: string, root?: string): Promise<Sandbox> {
    for (const name of DIRECTORIES) await mkdir(join(directory, name), { recursive: true });
    const log = await open(join(directory, 'log', 'sandbox.log'), 'w');
    const child = spawn(
      'unshare',
      [
        ...NAMESPACES,
        '--fork',
        '--kill-child',
        '--propagation=private',
        'sh',
        SCRIPT,
        directory,
        ...(root ? [root] : []),
      ],
      { detached: true, stdio: ['ignore', log.fd, log.fd, 'pipe'] },
    );
    child.unref();
    const channel = child.stdio[3] as Socket;
    try {
      const [answer] = await Promise.race([once(channel, 'data'), once(child, 'exit')]);
      const [first, launcher] = await Promise.all([identify(Number(answer)), identify(child.pid ?? 0)]);
      if (!first || !launcher) throw new Error(await complaint(directory));
      const record: SandboxRecord = { first, launcher };
      await writeFile(`${recordPath(directory)}.new`, JSON.stringify(record));
      await rename(`${recordPath(directory)}.new`, recordPath(directory));
      channel.end('go on\n');
      return new Sandbox(record);
    } finally {
      channel.destroySoon();
      await log.close();
    }
  }

  /** Runs a command inside, with the sandbox's file system, network and processes. */
  async run(command: string, ...args: string[]): Promise<string> {
    const inside = ['--target', String(this.pid), ...NAMESPACES, '--wd=/', '--', command, ...args];
    const { stdout } = await execa('nsenter', inside, {
      stdin: 'ignore',
      extendEnv: false,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
    });
    return stdout;
  }

  /** Number inside of the sandbox. */
  async pidOf(program: string): Promise<string | undefined> {
    const pid = await this.run('sh', '-c', `pgrep --exact --oldest '${program}' || true`);
    return pid || undefined;
  }

  /** Ends every process in there, at once, and waits until they are gone. */
  async kill(): Promise<void> {
    const { first, launcher } = this.#record;
    if (await isAlive(first)) process.kill(first.pid, 'SIGKILL');
    // Node has no event for the end of a process that is not its child.
    while ((await isAlive(first)) || (await isAlive(launcher))) await delay(10);
  }
}

async function complaint(directory: string): Promise<string> {
  const said = (await readFile(join(directory, 'log', 'sandbox.log'), 'utf8')).trim();
  return `cannot make namespaces for the lab: ${said || 'no reason given'}. It needs root, and a machine that allows mounts.`;
}

function recordPath(directory: string): string {
  return join(directory, 'sandbox.json');
}
