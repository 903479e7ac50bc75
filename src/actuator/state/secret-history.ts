/** Kept states in a cluster: a Secret for each, gzip, with further Secrets where it is too large for one. */

import { gzipSync } from 'node:zlib';
import * as z from 'zod';
import { type Secret, SecretKind, SecretMetadataKind } from '../../api/kinds/secret.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { ObjectKey, ObjectMeta } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import type { Client } from '../../kube/client/client.ts';
import { parseState } from '../../terraform/format/state.ts';
import { type KeptState, keptName, latestFirst, type StateHistory } from '../../terraform/state-history.ts';
import { PART_BYTES, remove, STATE_PARTS, unzipped } from './state-secret.ts';

/**
 * Labels of our own: by `tfstate=true` Terraform would take the Secrets for states. The value is the suffix of the state's
 * Secret, which is another one for hosts.
 */
export const HISTORY_LABEL = `caplv.${GROUP}/state-history`;
const WORKSPACE_LABEL = `caplv.${GROUP}/state-workspace`;
/** What a kept state is, as JSON, on the first of its Secrets; that is written last, so that half a state is never listed. */
const KEPT = `caplv.${GROUP}/kept-state`;

/** Characters of that annotation; about 100 are used. */
const KEPT_CHARACTERS = 1_024;

const keptSchema = z.object({
  serial: z.int().nonnegative(),
  lineage: z.string(),
  resources: z.int().nonnegative(),
  parts: z
    .int()
    .min(1)
    .max(STATE_PARTS + 1),
});

type Kept = z.infer<typeof keptSchema>;

interface SecretKept extends KeptState {
  readonly parts: number;
}

export class SecretHistory implements StateHistory {
  readonly #client: Client;
  readonly #state: ObjectKey;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #ownParts: () => Promise<void>;
  readonly #owner: () => Promise<Pick<ObjectMeta, 'ownerReferences'>>;
  readonly #selector: string;
  readonly #limit: number;

  /** `state`: of the Secret that Terraform uses; `own`: what the Secrets are labelled with and owned by. */
  constructor(
    client: Client,
    state: ObjectKey,
    own: Pick<ObjectMeta, 'labels'> & {
      readonly suffix: string;
      readonly workspace: string;
      readonly owner: () => Promise<Pick<ObjectMeta, 'ownerReferences'>>;
      readonly ownParts: () => Promise<void>;
    },
    limit: number,
  ) {
    const { suffix, workspace, labels, owner, ownParts } = own;
    this.#client = client;
    this.#state = state;
    this.#limit = limit;
    this.#selector = `${HISTORY_LABEL}=${suffix},${WORKSPACE_LABEL}=${workspace}`;
    this.#labels = { ...labels, [HISTORY_LABEL]: suffix, [WORKSPACE_LABEL]: workspace };
    this.#owner = owner;
    this.#ownParts = ownParts;
  }

  async list(): Promise<SecretKept[]> {
    return latestFirst((await this.#secrets()).flatMap(keptIn)) as SecretKept[];
  }

  async read(kept: KeptState): Promise<string> {
    const { parts } = kept as SecretKept;
    const numbers = Array.from({ length: parts }, (_, number) => number);
    const secrets = await Promise.all(
      numbers.map((number) => this.#client.get(SecretKind, this.#part(kept, number))),
    );
    const zipped = secrets.map((secret) => Buffer.from(secret?.data?.['state'] ?? '', 'base64'));
    const place = `Secret ${formatKey(this.#part(kept, 0))}`;
    const text = unzipped(Buffer.concat(zipped), place);
    parseState(text, place);
    return text;
  }

  /** One request for most states; two more once there are as many as are kept. */
  async keep(text: string): Promise<void> {
    const state = parseState(text);
    if (!state || this.#limit === 0) return;
    const zipped = gzipSync(text);
    const parts = Math.ceil(zipped.length / PART_BYTES);
    // Terraform compresses it a little otherwise.
    if (zipped.length > PART_BYTES / 2) await this.#ownParts();
    const { serial, lineage, resources } = state;
    const kept: Kept = { serial, lineage, resources: resources.length, parts };
    for (let number = parts - 1; number >= 0; number -= 1) {
      const part = zipped.subarray(number * PART_BYTES, (number + 1) * PART_BYTES);
      if (!(await this.#write(kept, number, part))) return;
    }
    if (serial > this.#limit) await this.#prune();
  }

  async remove(): Promise<void> {
    for (const { metadata } of await this.#secrets()) {
      await remove(this.#client, SecretKind, { namespace: this.#state.namespace, name: metadata.name });
    }
  }

  /** False: it was there. */
  async #write(kept: Kept, number: number, part: Buffer): Promise<boolean> {
    const annotations = number === 0 ? { annotations: { [KEPT]: JSON.stringify(kept) } } : {};
    const secret: Secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        ...this.#part(kept, number),
        labels: this.#labels,
        ...(await this.#owner()),
        ...annotations,
      },
      immutable: true,
      data: { state: part.toString('base64') },
    };
    try {
      await this.#client.create(SecretKind, secret);
      return true;
    } catch (error) {
      // A part without its first one is of a process that was killed.
      if (hasReason(error, 'AlreadyExists')) return number > 0;
      throw error;
    }
  }

  async #prune(): Promise<void> {
    const secrets = await this.#secrets();
    const kept = latestFirst(secrets.flatMap(keptIn)).slice(0, this.#limit).map(keptName);
    const prefixes = kept.map((name) => `${this.#state.name}.${name}`);
    for (const { metadata } of secrets) {
      const isKept = prefixes.some((prefix) => `${metadata.name}.`.startsWith(`${prefix}.`));
      if (!isKept) await remove(this.#client, SecretKind, { ...this.#state, name: metadata.name });
    }
  }

  /** Without their data. */
  async #secrets(): Promise<Secret[]> {
    const { namespace } = this.#state;
    return (await this.#client.list(SecretMetadataKind, { namespace, labelSelector: this.#selector })).items;
  }

  /** `tfstate-web-caplv.1b9d6bcd.7`, and `….7.1` for what comes after the first MiB. */
  #part(kept: Pick<KeptState, 'lineage' | 'serial'>, number: number): ObjectKey {
    const name = [this.#state.name, keptName(kept), ...(number > 0 ? [number] : [])].join('.');
    return { namespace: this.#state.namespace, name };
  }
}

/** Nothing for what is no kept state, or says of itself what none is. */
function keptIn({ metadata }: Secret): SecretKept[] {
  const text = metadata.annotations?.[KEPT];
  if (text === undefined || text.length > KEPT_CHARACTERS) return [];
  const keptAt = new Date(metadata.creationTimestamp ?? 0);
  try {
    return [{ ...keptSchema.parse(JSON.parse(text)), keptAt }];
  } catch {
    return [];
  }
}
