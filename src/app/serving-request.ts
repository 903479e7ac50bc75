/** What is kept of a CertificateSigningRequest. It comes from a server that is not ours, so its shape is checked before anything uses it. */

import * as z from 'zod';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import type { ServingRequest } from '../controllers/certificate/serving-request.ts';
import { OBJECT_NAME, OBJECT_UID } from './workload-node.ts';

interface CertificateSigningRequest extends KubeObject {
  /** Absent in what an answer to a write holds. */
  readonly kept?: ServingRequest;
}

export const SIGNER = 'kubernetes.io/kubelet-serving';

/** Characters of one field. */
const FIELD_CHARACTERS = 1_024;
/** Groups, usages and conditions of one request. */
const LIST_ITEMS = 100;
/** Characters of the request in base64. A kubelet's has less than 1 KiB. */
export const REQUEST_CHARACTERS = 16 * 1_024;

const text = z.string().max(FIELD_CHARACTERS);

const schema = z.object({
  apiVersion: text,
  kind: text,
  metadata: z.object({
    name: z.string().regex(OBJECT_NAME),
    uid: z.string().regex(OBJECT_UID),
    resourceVersion: z.string().regex(/^[0-9]{1,64}$/),
  }),
  spec: z.object({
    signerName: z.literal(SIGNER),
    username: text,
    groups: z.array(text).max(LIST_ITEMS).default([]),
    usages: z.array(text).max(LIST_ITEMS).default([]),
    request: z.base64().max(REQUEST_CHARACTERS),
  }),
  // Approved, denied or failed: it was decided on.
  status: z
    .object({ conditions: z.array(z.unknown()).max(0).nullish(), certificate: z.literal('').nullish() })
    .nullish(),
});

export const ServingRequestKind: ResourceKind<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  namespaced: false,
  pick,
};

/** One that cannot be read, is decided on or is of another signer is left out. */
function pick(object: KubeObject): CertificateSigningRequest | undefined {
  const { data } = schema.safeParse(object);
  if (!data) return undefined;
  const { metadata, spec, apiVersion, kind } = data;
  const { username, groups, usages } = spec;
  const request = Buffer.from(spec.request, 'base64').toString('latin1');
  return { apiVersion, kind, metadata, kept: { ...metadata, username, groups, usages, request } };
}
