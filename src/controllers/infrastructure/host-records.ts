/**
 * Keeps what a LibvirtCluster has on its hosts in a Secret that it owns, while `clusterctl move` takes both to another management cluster:
 * the resources of its networks and pools, and the uid by which its endpoint is claimed.
 */

import * as z from 'zod';
import { type LibvirtCluster, LibvirtClusterKind } from '../../api/infrastructure/libvirt-cluster.ts';
import { type Secret, SecretKind, secretValue } from '../../api/kinds/secret.ts';
import type { ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { controllerReference } from '../../apimachinery/owner-reference.ts';
import { hostIdentity } from '../../libvirt/host-uri.ts';
import type { Store } from '../../store/store.ts';

const FIELD_MANAGER = 'caplv-hosts';
const DATA_KEY = 'hosts';
/** Characters; of a network or pool some 1,000 are used. */
const RECORD_CHARACTERS = 1_048_576;

const schema = z.strictObject({
  /** Uid of the LibvirtCluster by which the address of its control plane is reserved. */
  claimant: z.string(),
  /** By libvirt URI: see `movedParts`. */
  parts: z.record(z.string(), z.string()),
});

export type HostRecord = z.output<typeof schema>;

export class HostRecords {
  readonly #store: Pick<Store, 'get' | 'apply' | 'delete'>;

  /** `store`: what it answers is so now. */
  constructor(store: Pick<Store, 'get' | 'apply' | 'delete'>) {
    this.#store = store;
  }

  /**
   * Returns what was kept for this very object: clusterctl makes the Secret again as one of the new object; in a copy from a backup it is
   * another object's.
   */
  async read(one: LibvirtCluster): Promise<HostRecord | undefined> {
    return readHostRecord(one, await this.#store.get(SecretKind, secretOf(one), { fresh: true }));
  }

  async write(one: LibvirtCluster, record: HostRecord): Promise<void> {
    const ownerReferences = [controllerReference(LibvirtClusterKind as ResourceKind, one)];
    const text = Buffer.from(JSON.stringify(record)).toString('base64');
    const metadata = { ...secretOf(one), ownerReferences } as ObjectMeta;
    await this.#store.apply(
      SecretKind,
      { metadata, data: { [DATA_KEY]: text } },
      { fieldManager: FIELD_MANAGER },
    );
  }

  async remove(one: LibvirtCluster): Promise<void> {
    await this.#store.delete(SecretKind, secretOf(one));
  }
}

export function readHostRecord(
  { metadata }: LibvirtCluster,
  secret: Secret | undefined,
): HostRecord | undefined {
  if (!secret?.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid)) return undefined;
  const text = secretValue(secret, DATA_KEY) ?? '';
  if (text.length > RECORD_CHARACTERS) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** What the record has of a host, however its URI is written. */
export function partsOn({ parts }: HostRecord, uri: string): string | undefined {
  const identity = hostIdentity(uri);
  return Object.entries(parts).find(([other]) => hostIdentity(other) === identity)?.[1];
}

/** Of a name that deploy/admission keeps for states. */
function secretOf(one: LibvirtCluster): ObjectKey {
  const { namespace, name } = keyOf(one);
  return { namespace, name: `tfstate-${name}-caplv-host.moved` };
}
