/** Starts a lab and a state directory for one test file without a cluster. */

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { virsh } from '../libvirt/guest.ts';
import { Caplv, type CaplvResult, type Environment, userEnvironment } from './caplv.ts';
import { type ManifestObject, manifest } from './manifests.ts';

/** caplv as one person uses it: a lab, a state directory and a directory of files of the test file's own. */
export class Standalone {
  readonly lab: Lab;
  readonly directory: string;
  readonly caplv: Caplv;

  constructor(lab: Lab, directory: string) {
    this.lab = lab;
    this.directory = directory;
    this.caplv = new Caplv(userEnvironment({ ...lab.env(), CAPLV_STATE_DIR: this.stateDir }));
  }

  get stateDir(): string {
    return join(this.directory, 'state');
  }

  get host(): LibvirtHost {
    const [host] = this.lab.hosts;
    if (!host) throw new Error('the lab has no host');
    return host;
  }

  /** The lab's guest, as a provider spec names it. */
  get image(): { readonly imageURI: string } {
    return { imageURI: this.lab.imagePath };
  }

  /** Path of a new file. */
  async file(name: string, content: string | Buffer): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, content);
    return path;
  }

  /** Applies objects from standard input. */
  async apply(
    objects: readonly ManifestObject[],
    args: readonly string[] = [],
    env: Environment = {},
  ): Promise<CaplvResult> {
    return this.caplv.run(['apply', '-f', '-', ...args], { input: manifest(...objects), env });
  }

  /** Plans objects from standard input. */
  async plan(objects: readonly ManifestObject[], args: readonly string[] = []): Promise<CaplvResult> {
    return this.caplv.run(['plan', '-f', '-', ...args], { input: manifest(...objects) });
  }

  /** A Machine as `get -o json` shows it. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look at what people see, not at our types
  async machine(name: string): Promise<any> {
    return JSON.parse(await this.caplv.read(['get', 'machine', name, '-o', 'json']));
  }

  virsh(...args: readonly string[]): Promise<string> {
    return virsh(this.host, args);
  }

  /** Names of all domains, running or not. */
  async domains(): Promise<string[]> {
    return lines(await this.virsh('list', '--all', '--name'));
  }

  /** Names of all volumes of a pool. */
  async volumes(pool = 'default'): Promise<string[]> {
    const list = lines(await this.virsh('vol-list', '--pool', pool));
    return list.map((line) => line.trim().split(/\s+/)[0] ?? '');
  }

  /** Files in the state directory, relative, without those that identify it. */
  async stateFiles(): Promise<string[]> {
    const entries = await readdir(this.stateDir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name !== 'installation-id')
      .map((entry) => join(entry.parentPath, entry.name).slice(this.stateDir.length + 1));
  }

  /** Path of a file of a machine's Terraform workspace. */
  workspaceFile(name: string, file: string): string {
    return join(this.stateDir, 'machines', 'default', name, file);
  }
}

/** A lab of the calling test file's own, and all of caplv's on it. The returned function gives it, once it is up. */
export function useStandalone(name: string, { hosts = 1, uplink = false } = {}): () => Standalone {
  let standalone: Standalone | undefined;
  beforeAll(async () => {
    const lab = await Lab.up({ name: `e2e-${name}`, fresh: true, hosts, uplink });
    const directory = await mkdtemp(join(tmpdir(), `caplv-e2e-${name}-`));
    await mkdir(join(directory, 'state'), { mode: 0o700 });
    standalone = new Standalone(lab, directory);
  }, 300_000);
  afterAll(async () => {
    await standalone?.lab.down();
    if (standalone) await rm(standalone.directory, { recursive: true, force: true });
  }, 60_000);
  return () => {
    if (!standalone) throw new Error('the lab is not up');
    return standalone;
  };
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}
