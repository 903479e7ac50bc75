/**
 * States in a cluster, by Terraform's `kubernetes` backend: a Secret and a Lease (its lock) for each machine in the namespace of
 * the machine, and for each host in the controller's. Both are made here before Terraform looks for them, so that from
 * the first moment they have their labels and their owner; Terraform keeps what it finds on them. Measured: the labels
 * below are those by which it knows its own.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { BackendIntent } from '../../stacks/intent.ts';
import { GROUP } from '../api/group.ts';
import { MachineKind } from '../api/machine.ts';
import { type Secret, SecretKind } from '../api/secret.ts';
import { shortHash } from '../intent/names.ts';
import { hasReason } from '../kube/api-error.ts';
import type { Client } from '../kube/client.ts';
import { type Lease, LeaseKind } from '../kube/lease.ts';
import { controllerReference } from '../kube/owner.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../store/store.ts';
import type { StaleLocks } from './stale-locks.ts';
import type { Notes, StackHome, Workspaces } from './workspaces.ts';

/** Label of the state of a machine. */
export const MACHINE_NAME_LABEL = `${GROUP}/machine-name`;
/** Annotation of the state of a host: its libvirt URI without credentials has no place in a name. */
const NOTE_PREFIX = `caplv.${GROUP}/`;
/** Must not end in a hyphen and digits: that is how Terraform numbers the parts of a large state. */
const SUFFIX = { machine: 'caplv', host: 'caplv-host' } as const;
/** Terraform's own, of the first part of a compressed state that has more. */
const PART_BYTES = 1_048_576;

export interface KubernetesWorkspacesOptions {
  readonly client: Client;
  /** Directory for what Terraform needs while it runs; nothing in it is missed later. */
  readonly workDir: string;
  /** Namespace of the states of hosts. */
  readonly namespace: string;
  /** How Terraform reaches the API server: `KUBE_CONFIG_PATH`, or `KUBE_IN_CLUSTER_CONFIG`. */
  readonly env: Readonly<Record<string, string>>;
  readonly locks: StaleLocks;
}

export class KubernetesWorkspaces implements Workspaces {
  readonly #options: KubernetesWorkspacesOptions;

  constructor(options: KubernetesWorkspacesOptions) {
    this.#options = options;
  }

  machine({ namespace, name, uid }: ObjectKey & { readonly uid?: string }): StackHome {
    const owner = uid && { apiVersion: '', kind: MachineKind.kind, metadata: { namespace, name, uid } };
    return this.#home(namespace, name, SUFFIX.machine, {
      labels: { [MACHINE_NAME_LABEL]: name },
      ...(owner ? { ownerReferences: [controllerReference(MachineKind, owner)] } : {}),
    });
  }

  host(uri: string): StackHome {
    return this.#home(this.#options.namespace, shortHash(uri), SUFFIX.host, { labels: {} });
  }

  #home(
    namespace: string,
    workspace: string,
    suffix: string,
    metadata: Pick<ObjectMeta, 'labels' | 'ownerReferences'>,
  ): StackHome {
    const { client, workDir, env, locks } = this.#options;
    const dir = join(workDir, 'runs', suffix, namespace, workspace);
    const backend: BackendIntent = { kind: 'kubernetes', secretSuffix: suffix, namespace, labels: {} };
    const secret = new StateSecret(client, { namespace, name: `tfstate-${workspace}-${suffix}` });
    const own: Omit<ObjectMeta, 'name'> = {
      ...metadata,
      labels: {
        ...metadata.labels,
        tfstate: 'true',
        tfstateSecretSuffix: suffix,
        tfstateWorkspace: workspace,
        'app.kubernetes.io/managed-by': 'terraform',
      },
    };
    return {
      workspace: {
        dir,
        kubernetes: {
          workspace,
          dataDir: join(workDir, 'backends', shortHash(JSON.stringify(backend))),
          env,
          readState: () => secret.state(),
        },
      },
      backend,
      place: `Secret ${namespace}/${secret.key.name}`,
      notes: secret.notes,
      exists: async () => (await secret.get()) !== undefined,
      prepare: async () => {
        await secret.ensure(own);
        await locks.releaseIfStale(secret.leaseKey, workspace);
      },
      discard: async () => {
        await secret.remove();
        await rm(dir, { recursive: true, force: true });
      },
    };
  }
}

/** The Secret that holds a state, with the Lease that locks it. */
class StateSecret {
  readonly key: ObjectKey;
  readonly leaseKey: ObjectKey;
  readonly notes: Notes;
  readonly #client: Client;

  constructor(client: Client, key: ObjectKey) {
    this.#client = client;
    this.key = key;
    this.leaseKey = { ...key, name: `lock-${key.name}` };
    const annotate = async (name: string, value: string | null) => {
      await client.patch(SecretKind, key, { metadata: { annotations: { [NOTE_PREFIX + name]: value } } });
    };
    this.notes = {
      read: async (name) => (await this.get())?.metadata.annotations?.[NOTE_PREFIX + name],
      write: (name, text) => annotate(name, text),
      remove: (name) => annotate(name, null),
    };
  }

  get(): Promise<Secret | undefined> {
    return this.#client.get(SecretKind, this.key);
  }

  /** The text of the state; empty: there is none. */
  async state(): Promise<string> {
    const parts: Buffer[] = [];
    for (;;) {
      const part = await this.#client.get(SecretKind, this.#part(parts.length));
      const encoded = part?.data?.['tfstate'];
      if (encoded !== undefined) parts.push(Buffer.from(encoded, 'base64'));
      if (encoded === undefined || (parts.at(-1)?.length ?? 0) < PART_BYTES) break;
    }
    return parts.length === 0 ? '' : gunzipSync(Buffer.concat(parts)).toString('utf8');
  }

  /** Makes Secret and Lease, or gives them the labels and the owner that they lack. */
  async ensure(own: Omit<ObjectMeta, 'name'>): Promise<void> {
    const annotations = { encoding: 'gzip' };
    await ensure(this.#client, SecretKind, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...this.key, ...own, annotations },
    });
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...this.leaseKey, ...own },
      spec: {},
    };
    await ensure(this.#client, LeaseKind, lease);
  }

  async remove(): Promise<void> {
    for (let index = 1; await this.#client.get(SecretKind, this.#part(index)); index += 1) {
      await remove(this.#client, SecretKind, this.#part(index));
    }
    await remove(this.#client, SecretKind, this.key);
    await remove(this.#client, LeaseKind, this.leaseKey);
  }

  #part(index: number): ObjectKey {
    return index === 0 ? this.key : { ...this.key, name: `${this.key.name}-part-${index}` };
  }
}

async function ensure<T extends KubeObject>(client: Client, kind: ResourceKind<T>, object: T): Promise<void> {
  const { namespace = '', name, labels = {}, ownerReferences } = object.metadata;
  const there = await client.get(kind, { namespace, name });
  if (!there) {
    await client.create(kind, object);
    return;
  }
  const owner = ownerReferences?.[0]?.uid;
  const isLabelled = Object.entries(labels).every(([key, value]) => there.metadata.labels?.[key] === value);
  const isOwned =
    owner === undefined || there.metadata.ownerReferences?.some(({ uid }) => uid === owner) === true;
  if (isLabelled && isOwned) return;
  await client.patch(kind, { namespace, name }, { metadata: { labels, ownerReferences } });
}

async function remove(client: Client, kind: ResourceKind, key: ObjectKey): Promise<void> {
  await client.delete(kind, key).catch((error: unknown) => {
    if (!hasReason(error, 'NotFound')) throw error;
  });
}
