/** Secret of the core group: bootstrap data and kubeconfigs. Kubernetes' own kind, so no CRD of ours. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { secretText } from '../schema/field.ts';
import { objectMetadata } from '../schema/metadata.ts';
import { AGE_COLUMN, type ApiKind } from './kind.ts';

export interface Secret extends KubeObject {
  metadata: ObjectMeta;
  type?: string;
  /** Values in base64. */
  data?: Record<string, string>;
  /** Values as text. */
  stringData?: Record<string, string>;
  immutable?: boolean;
}

export const SecretKind: ApiKind<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  namespaced: true,
  columns: [AGE_COLUMN],
  schema: z.strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('Secret'),
    metadata: objectMetadata(253),
    type: z.string().optional(),
    data: z
      .record(
        z.string(),
        z
          .string()
          .regex(/^[A-Za-z0-9+/\s]*(=\s*){0,2}$/)
          .meta({ sensitive: true, form: 'base64; for plain text use stringData' }),
      )
      .optional(),
    stringData: z.record(z.string(), secretText()).optional(),
    immutable: z.boolean().optional(),
  }),
};

/** The value of `key`; undefined if the Secret has no such key. */
export function secretBytes({ data, stringData }: Secret, key: string): Buffer | undefined {
  const [text, encoded] = [stringData?.[key], data?.[key]];
  if (text !== undefined) return Buffer.from(text);
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64');
}

/** The value of `key` as text, for what is read here; see `secretBytes` for what is passed on. */
export function secretValue(secret: Secret, key: string): string | undefined {
  return secretBytes(secret, key)?.toString('utf8');
}

/** Reads Secrets without what is in them. */
export const SecretMetadataKind: ResourceKind<Secret> = { ...SecretKind, metadataOnly: true };
