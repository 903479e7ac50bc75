/**
 * States in a cluster, by Terraform's `kubernetes` backend: a Secret and a Lease (its lock) for each machine in the namespace of
 * the machine, and for each host in the controller's. Both are made here before Terraform looks for them, so that from
 * the first moment they have their labels and their owner; Terraform keeps what it finds on them. Measured: the labels
 * below are those by which it knows its own.
 */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { BackendIntent } from '../../../stacks/intent.ts';
import { INFRASTRUCTURE_GROUP } from '../../api/infrastructure/group.ts';
import { LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { type Secret, SecretMetadataKind } from '../../api/kinds/secret.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { ObjectKey, ObjectMeta, OwnerReference, ResourceKind } from '../../apimachinery/object.ts';
import { controllerReference } from '../../apimachinery/owner-reference.ts';
import { instanceIdOfObject } from '../../intent/instance-id.ts';
import { infrastructureKey, isInfrastructure, objectName, shortHash } from '../../intent/names.ts';
import { ApiError } from '../../kube/client/api-error.ts';
import type { Client } from '../../kube/client/client.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { removeWorkspace, setErroredStateAside } from '../../terraform/workspace.ts';
import { lockInfoOf, type StaleLocks } from '../context/stale-leases.ts';
import {
  firstUsed,
  type MachineState,
  type SpellingsOf,
  type StateBackends,
  type StateHandle,
} from '../context/state-home.ts';
import { COMPLETE } from './machine-journal.ts';
import { SecretHistory } from './secret-history.ts';
import { StateSecret } from './state-secret.ts';

/** Label of the state of a machine. */
export const MACHINE_NAME_LABEL = `${GROUP}/machine-name`;
/** Label of the state of a LibvirtMachine, and of its kept serials. */
export const LIBVIRT_MACHINE_NAME_LABEL = `${INFRASTRUCTURE_GROUP}/machine-name`;
/** Label of the state of a base image: the hash of its host. */
const IMAGE_HOST_LABEL = `${GROUP}/image-host`;
/** Must not end in a hyphen and digits: that is how Terraform numbers the parts of a large state. */
const SUFFIX = { machine: 'caplv', infrastructure: 'caplv-capi', host: 'caplv-host' } as const;
const LIBVIRT_MACHINE = LibvirtMachineKind as ResourceKind;
/** What the states of machines belong to, by the API of the machine. */
const OWNERS = {
  machine: { kind: MachineKind as ResourceKind, suffix: SUFFIX.machine, label: MACHINE_NAME_LABEL },
  infrastructure: {
    kind: LIBVIRT_MACHINE,
    suffix: SUFFIX.infrastructure,
    label: LIBVIRT_MACHINE_NAME_LABEL,
  },
} as const;

/** The Secret with the state of a LibvirtMachine. */
export function libvirtMachineState({ namespace, name }: ObjectKey): ObjectKey {
  return { namespace, name: `tfstate-${name}-${SUFFIX.infrastructure}` };
}

export interface KubernetesWorkspacesOptions {
  readonly client: Client;
  /** Directory for what Terraform needs while it runs; nothing in it is missed later. */
  readonly workDir: string;
  /** Namespace of the states of hosts. */
  readonly namespace: string;
  /** Namespaces of the states of machines; undefined: all. */
  readonly watched?: readonly string[] | undefined;
  /** How Terraform reaches the API server: `KUBE_CONFIG_PATH`, or `KUBE_IN_CLUSTER_CONFIG`. */
  readonly env: Readonly<Record<string, string>>;
  readonly locks: StaleLocks;
  readonly spellingsOf: SpellingsOf;
  /** How many serials of each state are kept. */
  readonly keptSerials: number;
}

export class KubernetesStateBackends implements StateBackends {
  readonly #options: KubernetesWorkspacesOptions;

  constructor(options: KubernetesWorkspacesOptions) {
    this.#options = options;
  }

  machine({ namespace, name, uid }: ObjectKey & { readonly uid?: string }): StateHandle {
    const { kind, suffix, label } = OWNERS[isInfrastructure({ name }) ? 'infrastructure' : 'machine'];
    const own = objectName({ name });
    const metadata = { namespace, name: own };
    const owner = async () => {
      const id = uid && kind === LIBVIRT_MACHINE ? await this.#uidOfLibvirtMachine(metadata, uid) : uid;
      if (!id) return [];
      return [
        controllerReference(kind, { apiVersion: '', kind: kind.kind, metadata: { ...metadata, uid: id } }),
      ];
    };
    return this.#home(namespace, own, suffix, { labels: { [label]: own } }, owner);
  }

  /** Of the object that stands for this machine; undefined: it is gone. A move gave it another uid than that of the machine. */
  async #uidOfLibvirtMachine(key: ObjectKey, instanceId: string): Promise<string | undefined> {
    const one = await this.#options.client.get(LibvirtMachineKind, key);
    const { uid } = one?.metadata ?? {};
    return instanceIdOfObject(one?.spec.providerID, uid) === instanceId ? uid : undefined;
  }

  /** `namespace`: where its state is. Default: that of the options. */
  host(host: AllowedHost, namespace: string = this.#options.namespace): Promise<StateHandle> {
    const homeOf = (uri: string) => this.#home(namespace, shortHash(uri), SUFFIX.host, { labels: {} });
    return firstUsed(homeOf(host), this.#options.spellingsOf(host).map(homeOf));
  }

  /** The namespace in which a controller keeps the state of host `uri`; undefined: nobody keeps one. */
  async namespaceOfHost(host: AllowedHost): Promise<string | undefined> {
    const workspaces = [host, ...this.#options.spellingsOf(host)].map((uri) => shortHash(uri));
    const labelSelector = `tfstate=true,tfstateSecretSuffix=${SUFFIX.host},tfstateWorkspace in (${workspaces.join(',')})`;
    const { watched, namespace } = this.#options;
    const [secret] = await this.#list(labelSelector, watched && [...new Set([...watched, namespace])]);
    return secret?.metadata.namespace;
  }

  /** With the suffix of a host: one backend, and so one `init`, for both. */
  image(uri: AllowedHost, { pool, volume }: { readonly pool: string; readonly volume: string }): StateHandle {
    return this.#image(uri, `${shortHash(uri)}-${shortHash(`${pool}/${volume}`)}`);
  }

  async images(uri: AllowedHost): Promise<StateHandle[]> {
    const { client, namespace } = this.#options;
    const labelSelector = `tfstate=true,${IMAGE_HOST_LABEL}=${shortHash(uri)}`;
    const { items } = await client.list(SecretMetadataKind, { namespace, labelSelector });
    // Each part of a large state has the labels of the first.
    const workspaces = new Set(
      items.flatMap(({ metadata: { labels } }) => labels?.['tfstateWorkspace'] ?? []),
    );
    return [...workspaces].map((workspace) => this.#image(uri, workspace));
  }

  #image(uri: AllowedHost, workspace: string): StateHandle {
    const labels = { [IMAGE_HOST_LABEL]: shortHash(uri) };
    return this.#home(this.#options.namespace, workspace, SUFFIX.host, { labels });
  }

  async machineStates(): Promise<MachineState[]> {
    const labelSelector = `tfstate=true,tfstateSecretSuffix in (${SUFFIX.machine},${SUFFIX.infrastructure})`;
    const secrets = await this.#list(labelSelector, this.#options.watched);
    return secrets.flatMap(({ metadata: { namespace = '', name, labels, resourceVersion = '' } }) => {
      const workspace = labels?.['tfstateWorkspace'];
      const suffix = labels?.['tfstateSecretSuffix'];
      // Further parts of a large state change with the first.
      if (workspace === undefined || name !== `tfstate-${workspace}-${suffix}`) return [];
      const key = { namespace, name: workspace };
      const isOfMachine = suffix === SUFFIX.machine;
      return [{ key: isOfMachine ? key : infrastructureKey(key), version: resourceVersion }];
    });
  }

  /** Secrets without their data. */
  async #list(labelSelector: string, namespaces: readonly string[] | undefined): Promise<Secret[]> {
    const { client } = this.#options;
    const scopes = namespaces?.map((namespace) => ({ namespace })) ?? [{}];
    const lists = await Promise.all(
      scopes.map((scope) => client.list(SecretMetadataKind, { ...scope, labelSelector })),
    );
    return lists.flatMap(({ items }) => items);
  }

  #home(
    namespace: string,
    workspace: string,
    suffix: string,
    metadata: Pick<ObjectMeta, 'labels'>,
    ownedBy: () => Promise<OwnerReference[]> = async () => [],
  ): StateHandle {
    const { client, workDir, env, locks, keptSerials } = this.#options;
    const dir = join(workDir, 'runs', suffix, namespace, workspace);
    // Labels here would be those by which Terraform looks for the state: one without them it does not see.
    const backend: BackendIntent = { kind: 'kubernetes', secretSuffix: suffix, namespace, labels: {} };
    let owners: Promise<OwnerReference[]> | undefined;
    const owner = async () => {
      owners ??= ownedBy();
      const ownerReferences = await owners;
      return ownerReferences.length > 0 ? { ownerReferences } : {};
    };
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
    const ownParts = async () => secret.ownParts(await owner());
    const history = new SecretHistory(
      client,
      secret.key,
      { ...metadata, suffix, workspace, owner, ownParts },
      keptSerials,
    );
    const place = `Secret ${namespace}/${secret.key.name}`;
    return {
      workspace: {
        dir,
        history,
        kubernetes: {
          place,
          workspace,
          dataDir: join(workDir, 'backends', shortHash(JSON.stringify(backend))),
          env,
          readState: () => secret.state(),
          forgetState: () => secret.forget(),
          readLock: () => lockInfoOf(client, secret.leaseKey),
        },
      },
      backend,
      place,
      secret: secret.key,
      history,
      notes: secret.notes,
      exists: async () => (await secret.get()) !== undefined,
      prepare: async ({ isNew = false, isFirst = false, ...options }) => {
        const owned = { ...own, ...(await owner()) };
        const orGone = async (error: unknown) => {
          if (!isOfTerminatingNamespace(error)) throw error;
          // A namespace that is being deleted takes nothing new, and its Secrets go before its machines: these are then found by their
          // marks. Of a run during which the Secret went, the state can never be saved.
          await setErroredStateAside({ dir });
          return undefined;
        };
        const lease = await secret.ensureLease(owned, { noted: locks.note, isNew }).catch(orGone);
        await locks.untilFree(secret.leaseKey, workspace, options, lease);
        const initial = isFirst ? emptyState() : undefined;
        const found = await secret.ensureSecret(owned, { isNew, initial }).catch(orGone);
        if (found) secret.hold(found);
        // Whoever held the lock may have been killed, and have made what is in no state.
        if (found && lease?.spec.holderIdentity) await secret.notes.remove(COMPLETE);
      },
      readOnce: (work) => secret.readOnce(work),
      release: () => secret.release(),
      setCorruptAside: () => secret.setAside(),
      discard: async () => {
        await secret.remove();
        await history.remove();
        await removeWorkspace({ dir });
      },
    };
  }
}

/** Returns the state with which Terraform begins a workspace: it would lock the workspace once more to write it. */
function emptyState(): string {
  return JSON.stringify({ version: 4, serial: 1, lineage: randomUUID(), outputs: {}, resources: [] });
}

function isOfTerminatingNamespace(error: unknown): boolean {
  return error instanceof ApiError && error.causes.some(({ reason }) => reason === 'NamespaceTerminating');
}
