/** Starts a lab with traps: checks everything that a hostile string could change, before and after. */

import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { makeVolume } from './hostile-machine.ts';
import { asName, Canaries, LOOSE_TEXTS, PLAIN_TEXTS, shellTexts } from './hostile-strings.ts';
import { type ManifestObject, manifest } from './manifests.ts';
import { type Standalone, useStandalone } from './standalone.ts';

const BYSTANDER =
  "<domain type='qemu'><name>bystander</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>";

export class HostileWorld {
  readonly here: Standalone;
  readonly canaries: Canaries;
  /** Texts that may stand in the name of a file. */
  readonly names: readonly string[];
  /** For fields that take any text. */
  readonly texts: readonly string[];
  #untouched: object = {};

  private constructor(here: Standalone) {
    this.here = here;
    this.canaries = new Canaries(join(here.directory, 'canaries'));
    this.names = [...shellTexts(this.canaries), ...PLAIN_TEXTS];
    this.texts = [...this.names, ...LOOSE_TEXTS];
  }

  /** Creates a domain of another owner, and a volume with each of the names. */
  static async make(here: Standalone): Promise<HostileWorld> {
    const world = new HostileWorld(here);
    await mkdir(world.canaries.directory);
    await here.virsh('define', await here.file('bystander.xml', BYSTANDER));
    for (const name of world.names) await makeVolume(here, asName(name));
    world.#untouched = await world.#now();
    return world;
  }

  /** No command has run, nothing of anybody else was changed, and nothing was left behind. */
  async expectUntouched(): Promise<void> {
    expect(await this.#now()).toEqual(this.#untouched);
  }

  /** Throws with what was said, if anything went wrong. */
  async apply(...objects: readonly ManifestObject[]): Promise<void> {
    await this.here.caplv.read(['apply', '-f', '-'], { input: manifest(...objects) });
  }

  async delete(...objects: readonly ManifestObject[]): Promise<void> {
    await this.here.caplv.read(['delete', '-f', '-', '--now'], { input: manifest(...objects) });
    await this.expectUntouched();
  }

  async #now(): Promise<object> {
    return {
      canaries: await this.canaries.found(),
      domains: await this.here.domains(),
      bystander: await this.here.virsh('dumpxml', 'bystander'),
      pools: await this.here.virsh('pool-list', '--all'),
      networks: await this.here.virsh('net-list', '--all'),
      volumes: (await readdir(this.here.host.poolPath)).sort(),
      state: await this.here.stateFiles(),
    };
  }
}

/** The returned function gives it, once its lab is up. */
export function useHostileWorld(name: string): () => HostileWorld {
  const here = useStandalone(name);
  let world: HostileWorld | undefined;
  beforeAll(async () => {
    world = await HostileWorld.make(here());
  });
  return () => {
    if (!world) throw new Error('the world is not made');
    return world;
  };
}
