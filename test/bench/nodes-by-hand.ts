/** Starts the guests of a cluster again by virsh, from the same image and user data, and does by hand what Cluster API does in between. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeWorld } from '../nodes/node-world.ts';
import type { Workload } from '../nodes/workload.ts';

const POOL = 'default';

/** A guest as it was made: what of it has to be made again. */
interface Guest {
  readonly domain: string;
  /** Paths of files with the definitions. */
  readonly definition: string;
  readonly volumes: readonly { readonly name: string; readonly definition: string }[];
}

export class NodesByHand {
  readonly #world: NodeWorld;
  readonly #workload: Workload;
  readonly #controlPlane: Guest;
  readonly #worker: Guest;
  /** `abcdef.0123456789abcdef`, of the worker's user data. */
  readonly #token: string;

  private constructor(
    world: NodeWorld,
    workload: Workload,
    guests: { readonly controlPlane: Guest; readonly worker: Guest },
    token: string,
  ) {
    this.#world = world;
    this.#workload = workload;
    this.#controlPlane = guests.controlPlane;
    this.#worker = guests.worker;
    this.#token = token;
  }

  /** Notes all that is needed of a cluster that is up. */
  static async of(world: NodeWorld, workload: Workload, cluster: string): Promise<NodesByHand> {
    const domains = await world.domains();
    const guestOf = async (part: string) => {
      const domain = domains.find((name) => name.includes(`${cluster}-${part}`));
      if (domain === undefined) throw new Error(`${cluster} has no ${part}`);
      return readGuest(world, domain);
    };
    const configs = await world.objects.list('kubeadmconfigs.bootstrap.cluster.x-k8s.io');
    const [, token] = /"token":"([a-z0-9]{6}\.[a-z0-9]{16})"/.exec(JSON.stringify(configs)) ?? [];
    if (token === undefined) throw new Error('the worker has no token in its KubeadmConfig');
    const guests = { controlPlane: await guestOf('control-plane'), worker: await guestOf('worker') };
    return new NodesByHand(world, workload, guests, token);
  }

  /** Removes both guests with what they wrote. Their seeds stay, and the image. */
  async remove(): Promise<void> {
    for (const { domain, volumes } of [this.#controlPlane, this.#worker]) {
      await this.#world.virsh('destroy', domain);
      await this.#world.virsh('undefine', domain);
      for (const { name } of volumes) await this.#world.virsh('vol-delete', '--pool', POOL, name);
    }
  }

  startControlPlane(): Promise<void> {
    return this.#start(this.#controlPlane);
  }

  startWorker(): Promise<void> {
    return this.#start(this.#worker);
  }

  /** True when kubeadm has done what a machine needs that joins. */
  async isInitialised(): Promise<boolean> {
    const ask = ['get', 'configmap', 'cluster-info', '--namespace=kube-public', '--ignore-not-found'];
    const found = await this.#workload.kubectl([...ask, '--output=name']).catch(() => '');
    return found !== '';
  }

  /** Gives the cluster the token with which the worker joins: Cluster API does, for each machine. */
  async giveToken(): Promise<void> {
    const [id = '', secret = ''] = this.#token.split('.');
    const object = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': id,
        'token-secret': secret,
        'usage-bootstrap-signing': 'true',
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
      },
    };
    await this.#workload.kubectl(['apply', '--filename=-'], JSON.stringify(object));
  }

  async #start({ domain, definition, volumes }: Guest): Promise<void> {
    for (const volume of volumes) await this.#world.virsh('vol-create', '--pool', POOL, volume.definition);
    await this.#world.virsh('define', definition);
    await this.#world.virsh('start', domain);
  }
}

async function readGuest(world: NodeWorld, domain: string): Promise<Guest> {
  const save = async (name: string, text: string) => {
    const file = join(world.lab.directory, `${name}.xml`);
    await writeFile(file, text);
    return file;
  };
  const definition = await save(domain, await world.virsh('dumpxml', '--inactive', domain));
  const disks = (await world.virsh('domblklist', domain, '--details')).match(/\S+\.qcow2$/gm) ?? [];
  const volumes = disks.map(async (path) => {
    const name = path.split('/').at(-1) ?? '';
    const text = await world.virsh('vol-dumpxml', '--pool', POOL, name);
    return { name, definition: await save(name, text) };
  });
  return { domain, definition, volumes: await Promise.all(volumes) };
}
