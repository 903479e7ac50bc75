/** Starts a lab: libvirt hosts in namespaces of their own. */

import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withDirectoryLock } from './directory-lock.ts';
import { guestImage } from './guest-image.ts';
import { LibvirtHost } from './libvirt-host.ts';
import { binDirectory } from './terraform-binary.ts';
import { terraformrcPath } from './terraform-provider.ts';

export interface LabOptions {
  /** Labs of different names run at the same time. Default `demo`: the lab of `npm run lab`. */
  readonly name?: string;
  /** Where all of the lab lies; removed by `down`. Default `/var/lib/caplv-lab-<name>`, or below `CAPLV_LAB_ROOT`. */
  readonly dir?: string;
  /** Number of libvirt hosts (default 1). A running lab gets those it lacks. */
  readonly hosts?: number;
  /**
   * Link each host to this machine, so that it is reached over qemu+tcp, and its guests reach this machine (default
   * false). Unauthenticated: anyone on this machine may then use the lab.
   */
  readonly uplink?: boolean;
  /** Begin with nothing: take down what a former run of this name left (default false). For tests. */
  readonly fresh?: boolean;
  /** Receives one line a slow step. */
  readonly progress?: (line: string) => void;
}

/**
 * One or more private libvirt hosts with QEMU on this machine, and a guest image for them. Never touches a libvirt that
 * the machine itself runs. Needs root and the Debian packages of `test/lab/setup.sh --lab`.
 */
export class Lab {
  readonly directory: string;
  readonly hosts: readonly LibvirtHost[];
  /** qcow2 file that boots by itself (see guest-image.ts). */
  readonly imagePath: string;

  private constructor(directory: string, hosts: readonly LibvirtHost[]) {
    this.directory = directory;
    this.hosts = hosts;
    this.imagePath = join(directory, 'guest.qcow2');
  }

  /** Starts what is missing; resolves when every host answers. On a lab that runs: quick, and changes nothing. */
  static async up(options: LabOptions = {}): Promise<Lab> {
    if (process.getuid?.() !== 0) throw new Error('the lab needs root for namespaces and mounts: use sudo');
    const directory = labDirectory(options);
    const image = await guestImage(options.progress);
    if (options.fresh) await (await Lab.find(options))?.down();
    await mkdir(dirname(directory), { recursive: true });
    return withDirectoryLock(dirname(directory), async () => {
      const isNew = !existsSync(directory);
      try {
        return await Lab.#start(directory, image, options);
      } catch (error) {
        // Nobody gets hold of a lab that did not start: leave nothing of it.
        if (isNew) await Lab.#remove(directory);
        throw error;
      }
    });
  }

  /** Finds the lab of this name on disk, running or not; undefined without one. */
  static async find(options: Pick<LabOptions, 'name' | 'dir'> = {}): Promise<Lab | undefined> {
    const directory = labDirectory(options);
    return existsSync(directory) ? Lab.#load(directory, await countHosts(directory)) : undefined;
  }

  static async #start(directory: string, image: string, options: LabOptions): Promise<Lab> {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const lab = await Lab.#load(directory, Math.max(options.hosts ?? 1, await countHosts(directory)));
    // A lab keeps the image that it began with: overlays of its guests may stand on it.
    if (!existsSync(lab.imagePath)) {
      await copyFile(image, `${lab.imagePath}.new`);
      await rename(`${lab.imagePath}.new`, lab.imagePath);
    }
    await writeExample(lab);
    for (const host of lab.hosts) await host.start({ uplink: options.uplink ?? false });
    return lab;
  }

  static async #remove(directory: string): Promise<void> {
    // Read at this time: another process may have added hosts.
    const { hosts } = await Lab.#load(directory, await countHosts(directory));
    await Promise.all(hosts.map((host) => host.kill()));
    await rm(directory, { recursive: true, force: true });
  }

  static async #load(directory: string, hosts: number): Promise<Lab> {
    const numbers = Array.from({ length: hosts }, (_, index) => index + 1);
    return new Lab(
      directory,
      await Promise.all(numbers.map((number) => LibvirtHost.load(directory, number))),
    );
  }

  /** Returns the environment for programs that use this lab. Further hosts: `CAPLV_LIBVIRT_URI_2`, … */
  env(): Record<string, string> {
    const uri = this.hosts[0]?.uri;
    if (!uri) throw new Error(`the lab in ${this.directory} has no host: start it again`);
    const further = this.hosts.slice(1).map((host, index) => [`CAPLV_LIBVIRT_URI_${index + 2}`, host.uri]);
    return {
      CAPLV_LIBVIRT_URI: uri,
      // Not the user's own, so that the machines of user and lab stay apart.
      CAPLV_STATE_DIR: join(this.directory, 'state'),
      CAPLV_GUEST_IMAGE: this.imagePath,
      // For `caplv apply -f`, and what `npx cdktf` takes by itself.
      CAPLV_MANIFESTS: examplePath(this.directory),
      ...Object.fromEntries(further),
      // For a person with virsh.
      LIBVIRT_DEFAULT_URI: uri,
      TF_CLI_CONFIG_FILE: terraformrcPath(),
      CHECKPOINT_DISABLE: '1',
      // Holds terraform where the machine has none.
      PATH: `${process.env['PATH']}:${binDirectory()}`,
    };
  }

  /** Ends all processes of the lab and removes its directory. Also cleans up after a lab that crashed. */
  async down(): Promise<void> {
    await withDirectoryLock(dirname(this.directory), () => Lab.#remove(this.directory));
  }
}

/** Writes the example of README with the small guest in place of an image from the Internet. */
async function writeExample({ directory, imagePath }: Lab): Promise<void> {
  const example = await readFile(join(import.meta.dirname, '../../deploy/examples/kube-cp.yaml'), 'utf8');
  await writeFile(examplePath(directory), example.replace(/imageURI: .*/, `imageURI: ${imagePath}`));
}

function examplePath(directory: string): string {
  return join(directory, 'kube-cp.yaml');
}

function labDirectory(options: Pick<LabOptions, 'name' | 'dir'>): string {
  const name = options.name ?? 'demo';
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) {
    throw new Error(
      `lab name ${JSON.stringify(name)}: use at most 31 lower case letters, digits and hyphens`,
    );
  }
  return options.dir ?? join(process.env['CAPLV_LAB_ROOT'] ?? '/var/lib', `caplv-lab-${name}`);
}

async function countHosts(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  return names.filter((name) => name.startsWith('host-')).length;
}
