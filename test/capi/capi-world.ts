/** Starts an API server with Cluster API's managers, and an API server in place of a workload cluster. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CapiLab, type CapiLabOptions } from '../lab/capi/capi-lab.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { ApiObjects } from './api-objects.ts';
import { WorkloadCluster } from './workload-cluster.ts';

const STAND_IN_KINDS = fileURLToPath(new URL('stand-in-kinds.yaml', import.meta.url));

/** A management cluster with Cluster API's own managers, and an API server in place of a workload cluster. */
export class CapiWorld {
  readonly kube: KubeLab;
  readonly capi: CapiLab;
  readonly objects: ApiObjects;
  readonly workload: WorkloadCluster;
  readonly #dir: string;

  private constructor(kube: KubeLab, capi: CapiLab, workload: WorkloadCluster, dir: string) {
    this.kube = kube;
    this.capi = capi;
    this.objects = new ApiObjects(kube);
    this.workload = workload;
    this.#dir = dir;
  }

  /** `cluster` is the name of the one Cluster that the workload cluster belongs to. */
  static async up(
    cluster: string,
    options: Pick<CapiLabOptions, 'ipam' | 'infrastructure'> = {},
  ): Promise<CapiWorld> {
    const dir = await mkdtemp(join(tmpdir(), 'caplv-capi-'));
    try {
      return await CapiWorld.#start(dir, cluster, options);
    } catch (error) {
      await CapiWorld.#remove(dir);
      throw error;
    }
  }

  static async #start(
    dir: string,
    cluster: string,
    options: Pick<CapiLabOptions, 'ipam' | 'infrastructure'>,
  ): Promise<CapiWorld> {
    const [kube, workload] = await Promise.all([
      KubeLab.up({ dir: join(dir, 'management'), controllerManager: true }),
      KubeLab.up({ dir: join(dir, 'workload') }),
    ]);
    const capi = await CapiLab.up({ kube, dir: join(dir, 'capi'), ...options });
    const world = new CapiWorld(kube, capi, new WorkloadCluster(workload, cluster), dir);
    await world.objects.applyFile(STAND_IN_KINDS);
    return world;
  }

  /** Another management cluster, for the same workload cluster; it ends with this one. */
  async another(options: Pick<CapiLabOptions, 'ipam' | 'infrastructure'> = {}): Promise<CapiWorld> {
    const dir = join(this.#dir, 'another');
    const kube = await KubeLab.up({ dir: join(dir, 'management'), controllerManager: true });
    const capi = await CapiLab.up({ kube, dir: join(dir, 'capi'), ...options });
    const world = new CapiWorld(kube, capi, this.workload, dir);
    await world.objects.applyFile(STAND_IN_KINDS);
    return world;
  }

  async down(): Promise<void> {
    await CapiWorld.#remove(join(this.#dir, 'another'));
    await CapiWorld.#remove(this.#dir);
  }

  static async #remove(dir: string): Promise<void> {
    await CapiLab.down(join(dir, 'capi'));
    await Promise.all(['management', 'workload'].map((name) => KubeLab.down(join(dir, name))));
    await rm(dir, { recursive: true, force: true });
  }
}
