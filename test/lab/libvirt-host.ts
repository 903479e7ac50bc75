/** Runs one libvirt host of a lab. */

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { AllowedHost } from '../../src/system/allowed-host.ts';
import { debianRoot } from './debian-root.ts';
import { hostAt } from './host-uri.ts';
import { TCP_PORT, writeConfiguration, writeLibvirtdConf } from './libvirt-configuration.ts';
import { Sandbox } from './sandbox.ts';
import { createUplink, findUplink, removeUplink, type Uplink } from './uplink.ts';

/** libvirtd answers within a second, also after it has started; beyond this it hangs. */
const ANSWER_TIMEOUT_MS = 30_000;

/** A libvirt host of the lab: one libvirtd in a sandbox, with a NAT network and a directory pool. */
export class LibvirtHost {
  readonly name: string;
  readonly directory: string;
  /** Connection URI for this machine: `qemu+unix:///system?socket=…`. */
  readonly uri: AllowedHost;
  readonly network = 'default';
  readonly pool = 'default';
  /** The same path inside and outside of the sandbox. */
  readonly poolPath: string;
  readonly #etc: string;
  readonly #subnet: string;
  #uplink: Uplink | undefined;

  private constructor(labDirectory: string, number: number) {
    this.name = `host-${number}`;
    this.directory = join(labDirectory, this.name);
    this.poolPath = join(this.directory, 'pool');
    this.#etc = join(this.directory, 'etc');
    this.#subnet = `192.168.${121 + number}`;
    const socket = join(this.directory, 'run', 'libvirt-sock');
    // sun_path holds 108 bytes, the last one a zero.
    if (Buffer.byteLength(socket) > 107)
      throw new Error(`too long for a socket, use a shorter path: ${socket}`);
    this.uri = hostAt(`qemu+unix:///system?socket=${socket}`);
  }

  /**
   * The host as it lies on disk, running or not.
   *
   * @param number 1 for the first host of a lab; it also tells their networks apart: 192.168.122.0/24, …123.0/24, …
   */
  static async load(labDirectory: string, number: number): Promise<LibvirtHost> {
    const host = new LibvirtHost(labDirectory, number);
    host.#uplink = await findUplink(host.directory);
    return host;
  }

  /** The link to this machine, when the lab was started with one. */
  get uplink(): Uplink | undefined {
    return this.#uplink;
  }

  /** Connection URI over the link: anyone on this machine may use it. */
  get tcpUri(): string | undefined {
    return this.#uplink && `qemu+tcp://${this.#uplink.address}:${TCP_PORT}/system`;
  }

  /**
   * Starts what is not running. After a crash, or `kill`, the host comes back with the domains and volumes it had, like
   * a machine after a power failure. Resolves when libvirt answers and its network and pool are active.
   */
  async start(options: { readonly uplink?: boolean } = {}): Promise<void> {
    const wantsUplink = options.uplink || this.#uplink !== undefined;
    let sandbox = await Sandbox.find(this.directory);
    if (!sandbox) {
      sandbox = await this.#startSandbox();
      this.#uplink = undefined;
    }
    if (wantsUplink && !this.#uplink) {
      this.#uplink = await createUplink(this.directory, sandbox);
      await this.stopLibvirtd();
    }
    if (!(await sandbox.pidOf('virtlogd'))) await sandbox.run('virtlogd', '--daemon');
    if (!(await sandbox.pidOf('libvirtd'))) await this.startLibvirtd();
    await this.#answer();
  }

  async isRunning(): Promise<boolean> {
    if (!(await Sandbox.find(this.directory))) return false;
    return this.#answer().then(
      () => true,
      () => false,
    );
  }

  /** Ends libvirtd only: guests, network and virtlogd keep running, as with `systemctl stop libvirtd`. */
  async stopLibvirtd(): Promise<void> {
    const sandbox = await this.sandbox();
    const pid = await sandbox.pidOf('libvirtd');
    if (!pid) return;
    await sandbox.run('kill', pid);
    await sandbox.run('tail', `--pid=${pid}`, '--sleep-interval=0.02', '--follow', '/dev/null');
  }

  /** Resolves when libvirt answers. */
  async startLibvirtd(): Promise<void> {
    const sandbox = await this.sandbox();
    await writeLibvirtdConf(this.#etc, this.#uplink?.address);
    await sandbox.run('libvirtd', '--daemon', ...(this.#uplink ? ['--listen'] : []));
    await this.#answer();
  }

  /** Ends everything of this host, its guests without asking, as pulling the plug would. */
  async kill(): Promise<void> {
    await removeUplink(this.directory);
    await (await Sandbox.find(this.directory))?.kill();
  }

  async sandbox(): Promise<Sandbox> {
    const sandbox = await Sandbox.find(this.directory);
    if (!sandbox) throw new Error(`${this.name} of the lab is not running: npm run lab -- up`);
    return sandbox;
  }

  async #startSandbox(): Promise<Sandbox> {
    // Leftovers of a crash: sockets and PID files are no longer valid.
    await removeUplink(this.directory);
    await rm(join(this.directory, 'run'), { recursive: true, force: true });
    await mkdir(this.poolPath, { recursive: true });
    await writeConfiguration(this.#etc, this.#subnet, this.poolPath);
    const release = process.env['CAPLV_LAB_DEBIAN'];
    return Sandbox.start(this.directory, release ? await debianRoot(release) : undefined);
  }

  /** Waits for the first answer of libvirtd, which comes when network and pool are active; its socket exists earlier. */
  async #answer(): Promise<void> {
    await execa('virsh', ['-c', this.uri, 'uri'], { timeout: ANSWER_TIMEOUT_MS, stdin: 'ignore' });
  }
}
