/** Starts a provider process that serves many runs of Terraform. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { messageOf, TerminalError } from '../../errors.ts';
import { readline } from '../../system/node-modules.ts';
import { providerEnvironment } from '../run/environment.ts';
import { giveTo, makeProviderDir } from './temp-dir.ts';

/** Both registries' addresses: terraform and tofu each look for their own. */
const ADDRESSES = ['registry.terraform.io/dmacvicar/libvirt', 'registry.opentofu.org/dmacvicar/libvirt'];

/** HashiCorp's go-plugin refuses to serve without it. */
const MAGIC_COOKIE = 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2';

/** It takes 8 ms. */
const START_TIMEOUT_MS = 10_000;

/**
 * `$0`: the provider. Descriptor 3 is the lifeline: it reads end-of-file once we and all runs that were given its other
 * end are gone, however they ended. Then the provider (which has this shell's pid) ends too, and nothing of it stays.
 */
const SCRIPT = `umask 077; ulimit -c 0
(read -r _ <&3 || kill "$$"; rm -rf "$TMPDIR") </dev/null >/dev/null 2>&1 &
exec "$0" 3<&-`;

/**
 * A provider process that serves many runs, over go-plugin's reattach protocol. It ends with the last of its users:
 * us, and the runs that hold its lifeline. So a run whose caplv was killed still ends properly, and letting go of a
 * provider never disturbs a run.
 *
 * Its stderr goes nowhere: the provider logs user data.
 */
export class ProviderProcess {
  readonly pid: number;
  /** Give it to each run that uses this provider. */
  readonly lifeline: Socket;
  /** Path of the socket on which it serves. */
  readonly address: string;
  /** Value of TF_REATTACH_PROVIDERS. */
  readonly reattach: string;
  /** Settled when the process has ended. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #alive = true;
  #proven = false;
  #entries = 0;
  #first: Promise<void> | undefined;

  private constructor(child: ChildProcess, pid: number, address: string) {
    this.pid = pid;
    this.#child = child;
    this.lifeline = child.stdio[3] as Socket;
    this.address = address;
    this.reattach = reattachConfig(pid, address);
    this.ended = once(child, 'exit').then(() => {
      this.#alive = false;
      // Tells the watching shell that there is nothing left to kill.
      if (!this.lifeline.destroyed) this.lifeline.end('ended\n');
    });
    this.lifeline.on('error', () => {});
    // None of these keeps a caplv alive that has nothing else to do.
    child.unref();
    this.lifeline.unref();
    const stdout = child.stdout as Readable & { unref?: () => void };
    stdout.resume();
    stdout.unref?.();
  }

  /**
   * @param executable of the provider
   * @throws TerminalError ProviderNotFound if it cannot be run or is no provider
   */
  static async start(executable: string): Promise<ProviderProcess> {
    // The provider writes seed ISOs here before it uploads them.
    const dir = await makeProviderDir();
    const child = spawn('/bin/sh', ['-c', SCRIPT, executable], {
      env: providerEnvironment({
        TF_PLUGIN_MAGIC_COOKIE: MAGIC_COOKIE,
        TMPDIR: dir,
        PLUGIN_UNIX_SOCKET_DIR: dir,
        // Without it the SDK formats a trace of each call for nobody to read.
        TF_LOG_SDK: 'OFF',
      }),
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    });
    try {
      const address = await handshake(child);
      await giveTo(child.pid as number, dir);
      return new ProviderProcess(child, child.pid as number, address);
    } catch (cause) {
      (child.stdio[3] as Socket | undefined)?.destroy();
      await rm(dir, { recursive: true, force: true });
      throw new TerminalError({
        code: 'ProviderNotFound',
        message: `${executable} cannot be started as a Terraform provider: ${messageOf(cause)}`,
        fix: 'name the executable of the dmacvicar/libvirt provider for this machine',
        cause,
      });
    }
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Bytes that it has read and written so far, as the kernel tells them; undefined: it does not. */
  get activity(): string | undefined {
    try {
      return readFileSync(`/proc/${this.pid}/io`, 'utf8');
    } catch {
      return undefined;
    }
  }

  /** True once a run has connected it to libvirt: its connection may have been lost since. */
  get connected(): boolean {
    return this.#proven;
  }

  /**
   * Waits for one's turn. The first run goes alone until it has configured the provider: 0.8.3 keeps its connections in
   * a map without a lock, and two that configure it at once may crash it.
   */
  async enter(): Promise<Entry> {
    this.#entries += 1;
    const entry = await this.#turn();
    return {
      configured: entry.configured,
      leave: () => {
        this.#entries -= 1;
        entry.leave();
      },
    };
  }

  /** True while runs use it, or wait for their turn. */
  get isBusy(): boolean {
    return this.#entries > 0;
  }

  async #turn(): Promise<Entry> {
    while (!this.#proven && this.#first !== undefined) await this.#first;
    if (this.#proven) return { configured() {}, leave() {} };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#first = promise;
    const leave = () => {
      if (this.#first === promise) this.#first = undefined;
      resolve();
    };
    return {
      configured: () => {
        this.#proven = true;
        leave();
      },
      leave,
    };
  }

  /** For one that no longer answers. The runs that use it fail, and save their state. */
  kill(): void {
    if (this.#alive) this.#child.kill('SIGKILL');
  }

  /** Lets go of it: it ends now, or with the last run that still uses it. Then the promise is settled. */
  release(): Promise<void> {
    this.#child.ref();
    this.lifeline.destroy();
    return this.ended;
  }
}

export interface Entry {
  /** The provider is connected to libvirt; others may come in. */
  configured(): void;
  /** The run has ended. */
  leave(): void;
}

/** Reads go-plugin's first line, `1|5|unix|/path|grpc|`. Returns the socket's path. */
async function handshake(child: ChildProcess): Promise<string> {
  const abort = AbortSignal.timeout(START_TIMEOUT_MS);
  const lines = readline().createInterface({ input: child.stdout as Readable });
  try {
    const [line] = (await Promise.race([
      once(lines, 'line', { signal: abort }),
      once(child, 'exit').then(([code]) => {
        throw new Error(`it ended with exit code ${code}`);
      }),
    ])) as [string];
    const [, protocol, network, address] = line.split('|');
    if (protocol !== '5' || network !== 'unix' || address === undefined) {
      throw new Error('it does not speak plugin protocol 5');
    }
    return address;
  } finally {
    lines.close();
  }
}

function reattachConfig(pid: number, address: string): string {
  const config = {
    Protocol: 'grpc',
    ProtocolVersion: 5,
    Pid: pid,
    Test: true,
    Addr: { Network: 'unix', String: address },
  };
  return JSON.stringify(Object.fromEntries(ADDRESSES.map((name) => [name, config])));
}
