/** The Secret in which Terraform's `kubernetes` backend keeps a state, with the Lease that locks it. */

import { gunzipSync, gzipSync } from 'node:zlib';

import { type Secret, SecretKind, SecretMetadataKind } from '../../api/kinds/secret.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { KubeObject, ObjectKey, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { TransientError } from '../../errors.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import type { Client } from '../../kube/client/client.ts';
import { type Lease, LeaseKind } from '../../kube/client/lease.ts';
import { STATE_BYTES, StateCorruptError } from '../../terraform/format/state.ts';
import type { Notes } from '../context/state-home.ts';

/** Annotation of the Secret, with the name of a note. */
const NOTE_PREFIX = `caplv.${GROUP}/`;
/** Of each part of a compressed state but the last: Terraform's own, and the most that a Secret holds. */
export const PART_BYTES = 1_048_576;
/** Secrets of one state. Compressed it is smaller than what may be in it. */
export const STATE_PARTS = STATE_BYTES / PART_BYTES;

/** States that can be set aside under one name. Each is a Secret, or several. */
export const ASIDES = 16;

export class StateSecret {
  readonly key: ObjectKey;
  readonly leaseKey: ObjectKey;
  readonly notes: Notes;
  readonly #client: Client;
  /** Set by `hold`. */
  #isHeld = false;
  /** The Secret as it was last read or written while it is held. */
  #known: Secret | undefined;

  constructor(client: Client, key: ObjectKey) {
    this.#client = client;
    this.key = key;
    this.leaseKey = { ...key, name: `lock-${key.name}` };
    const update = async (texts: Readonly<Record<string, string | undefined>>) => {
      const annotations = Object.fromEntries(
        Object.entries(texts).map(([name, text]) => [NOTE_PREFIX + name, text ?? null]),
      );
      const { resourceVersion } = this.#known?.metadata ?? {};
      const metadata = { annotations, ...(resourceVersion !== undefined && { resourceVersion }) };
      this.#known = undefined;
      const written = await client.patch(SecretKind, key, { metadata }).catch((error: unknown) => {
        throw hasReason(error, 'Conflict') ? writtenElsewhere(key) : error;
      });
      if (this.#isHeld) this.#known = written;
    };
    this.notes = {
      read: async (name) => (await this.get())?.metadata.annotations?.[NOTE_PREFIX + name],
      write: (name, text) => update({ [name]: text }),
      remove: (name) => update({ [name]: undefined }),
      update,
    };
  }

  async get(): Promise<Secret | undefined> {
    if (this.#known) return this.#known;
    const secret = await this.#client.get(SecretKind, this.key);
    if (this.#isHeld) this.#known = secret;
    return secret;
  }

  /**
   * Reads the Secret once for all that is done under the locks of its state, until `forget` or `release`. A note that is written then
   * throws TransientError Conflict if anybody else has written the Secret since it was read.
   */
  hold(known: Secret): void {
    this.#isHeld = true;
    this.#known = known;
  }

  /** Reads the Secret at most once for `work`, which does not write it. */
  async readOnce<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isHeld) return work();
    this.#isHeld = true;
    try {
      return await work();
    } finally {
      this.release();
    }
  }

  /** Before and after what may write the Secret: it is read again when it is needed. */
  forget(): void {
    this.#known = undefined;
  }

  /** Ends `hold`. */
  release(): void {
    this.#isHeld = false;
    this.#known = undefined;
  }

  /** The text of the state; empty: there is none. Throws Terminal StateCorruptError. */
  async state(): Promise<string> {
    const parts: Buffer[] = [];
    const place = `Secret ${formatKey(this.key)}`;
    for (;;) {
      if (parts.length > STATE_PARTS)
        throw new StateCorruptError(place, `it has more than ${STATE_PARTS} parts`);
      const part =
        parts.length === 0 ? await this.get() : await this.#client.get(SecretKind, this.#part(parts.length));
      const encoded = part?.data?.['tfstate'];
      if (encoded !== undefined) parts.push(Buffer.from(encoded, 'base64'));
      if (encoded === undefined || (parts.at(-1)?.length ?? 0) < PART_BYTES) break;
    }
    return unzipped(Buffer.concat(parts), place);
  }

  /**
   * Empties the Secret, and leaves what was in it in others: `NAME.corrupt`, then `NAME.corrupt-2` and so on. What was put aside before
   * stays. For a state that Terraform itself cannot read.
   */
  async setAside(): Promise<void> {
    this.forget();
    const nth = await this.#freeAside();
    for (let index = 0; index <= STATE_PARTS; index += 1) {
      const part = this.#part(index);
      const { data, metadata } = (await this.#client.get(SecretKind, part)) ?? {};
      if (!metadata) return;
      if (data) await this.#copy(asideOf(part, nth), data, metadata);
      if (index > 0) await remove(this.#client, SecretKind, part);
      else await this.#client.patch(SecretKind, part, { data: null });
    }
  }

  async #freeAside(): Promise<number> {
    for (let nth = 1; nth <= ASIDES; nth += 1)
      if (!(await this.#client.get(SecretKind, asideOf(this.key, nth)))) return nth;
    throw new StateCorruptError(
      `Secret ${formatKey(this.key)}`,
      `${ASIDES} states are set aside as ${asideOf(this.key, 1).name} and so on: remove those that nobody needs`,
    );
  }

  async #copy(to: ObjectKey, data: Record<string, string>, { ownerReferences }: ObjectMeta): Promise<void> {
    const metadata = { ...to, ...(ownerReferences && { ownerReferences }) };
    await this.#client.create(SecretKind, { apiVersion: 'v1', kind: 'Secret', metadata, data });
  }

  /**
   * Makes the Lease, or gives it the labels and the owner that it lacks. Returns it as it is then. `noted`: annotations of one that is
   * made new; `isNew`: mostly there is none, and to make it is the first thing to try.
   */
  ensureLease(
    own: Omit<ObjectMeta, 'name'>,
    { noted, isNew }: { readonly noted: Record<string, string>; readonly isNew: boolean },
  ): Promise<Lease> {
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...this.leaseKey, ...own, annotations: noted },
      spec: {},
    };
    return (isNew ? make : ensure)(this.#client, LeaseKind, lease);
  }

  /** Does the same for the Secret. `initial`: text of the state in one that is made new; absent: it is empty. */
  ensureSecret(
    own: Omit<ObjectMeta, 'name'>,
    { isNew, initial }: { readonly isNew: boolean; readonly initial?: string | undefined },
  ): Promise<Secret> {
    const secret: Secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...this.key, ...own, annotations: { encoding: 'gzip' } },
      ...(initial !== undefined && { data: { tfstate: gzipSync(initial).toString('base64') } }),
    };
    return (isNew ? make : ensure)(this.#client, SecretKind, secret);
  }

  /** Gives the further Secrets of a large state, which Terraform makes, the owner of the first. */
  async ownParts({ ownerReferences }: Pick<ObjectMeta, 'ownerReferences'>): Promise<void> {
    const uid = ownerReferences?.[0]?.uid;
    if (uid === undefined) return;
    for (let index = 1; index <= STATE_PARTS; index += 1) {
      const key = this.#part(index);
      const part = await this.#client.get(SecretMetadataKind, key);
      if (!part) return;
      if (part.metadata.ownerReferences?.some((one) => one.uid === uid)) continue;
      await this.#client.patch(SecretKind, key, { metadata: { ownerReferences } });
    }
  }

  /** The last Secret goes first, so that a removal that breaks off finds the rest again. */
  async remove(): Promise<void> {
    this.forget();
    const parts = await this.#there(1, (index) => this.#part(index));
    const asides: ObjectKey[] = [];
    for (let nth = 1; nth <= ASIDES; nth += 1) {
      const found = await this.#there(0, (index) => asideOf(this.#part(index), nth));
      if (found.length === 0) break;
      asides.push(...found);
    }
    for (const key of [...parts, ...asides].reverse()) await remove(this.#client, SecretKind, key);
    await remove(this.#client, SecretKind, this.key);
    await remove(this.#client, LeaseKind, this.leaseKey);
  }

  /** Keys of the parts from `first` to the last that is there. Beyond the parts that a state has, a Secret of such a name is of others. */
  async #there(first: number, keyOf: (index: number) => ObjectKey): Promise<ObjectKey[]> {
    const keys: ObjectKey[] = [];
    for (let index = first; index <= STATE_PARTS; index += 1) {
      if (!(await this.#client.get(SecretKind, keyOf(index)))) break;
      keys.push(keyOf(index));
    }
    return keys;
  }

  #part(index: number): ObjectKey {
    return index === 0 ? this.key : { ...this.key, name: `${this.key.name}-part-${index}` };
  }
}

async function make<T extends KubeObject>(client: Client, kind: ResourceKind<T>, object: T): Promise<T> {
  return client.create(kind, object).catch((error: unknown) => {
    // Where a quota is used up, or the namespace goes, that is said also of what is there already.
    if (!hasReason(error, 'AlreadyExists') && !hasReason(error, 'Forbidden')) throw error;
    return ensure(client, kind, object);
  });
}

async function ensure<T extends KubeObject>(client: Client, kind: ResourceKind<T>, object: T): Promise<T> {
  const { namespace = '', name, labels = {}, ownerReferences } = object.metadata;
  const there = await client.get(kind, { namespace, name });
  if (!there) return client.create(kind, object);
  const owner = ownerReferences?.[0]?.uid;
  const isLabelled = Object.entries(labels).every(([key, value]) => there.metadata.labels?.[key] === value);
  const isOwned =
    owner === undefined || there.metadata.ownerReferences?.some(({ uid }) => uid === owner) === true;
  if (isLabelled && isOwned) return there;
  return client.patch(kind, { namespace, name }, { metadata: { labels, ownerReferences } });
}

function asideOf({ namespace, name }: ObjectKey, nth: number): ObjectKey {
  return { namespace, name: nth === 1 ? `${name}.corrupt` : `${name}.corrupt-${nth}` };
}

function writtenElsewhere(key: ObjectKey): TransientError {
  return new TransientError({
    code: 'Conflict',
    message: `Secret ${formatKey(key)}: somebody else has written the Terraform state meanwhile`,
    fix: 'nothing to do: the next attempt continues from there',
    retryAfterMs: 100,
  });
}

/** @throws Terminal StateCorruptError */
export function unzipped(zipped: Buffer, place: string): string {
  if (zipped.length === 0) return '';
  try {
    return gunzipSync(zipped, { maxOutputLength: STATE_BYTES }).toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new StateCorruptError(place, `it has more than ${STATE_BYTES} bytes`);
    throw new StateCorruptError(place, `it is not, or not all of, a gzip (${zipped.length} bytes)`);
  }
}

export async function remove(client: Client, kind: ResourceKind, key: ObjectKey): Promise<void> {
  await client.delete(kind, key).catch((error: unknown) => {
    if (!hasReason(error, 'NotFound')) throw error;
  });
}
