/** What is kept of a Kubernetes Node. It comes from a server that is not ours, so its shape is checked before anything uses it. */

import * as z from 'zod';
import type { KubeObject, ResourceKind } from '../apimachinery/object.ts';
import type { NodeMetadata, WorkloadNode } from '../controllers/node/workload-node.ts';

export interface Node extends KubeObject {
  spec: { readonly providerID?: string | undefined; readonly unschedulable?: boolean | null | undefined };
  status?:
    | {
        readonly addresses?: readonly { readonly type: string; readonly address: string }[] | undefined;
        readonly conditions?: WorkloadNode['conditions'] | undefined;
      }
    | undefined;
}

export const NodeKind: ResourceKind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  namespaced: false,
};

/** Characters of one field of a Node. */
export const NODE_FIELD_CHARACTERS = 1_024;
/** Addresses, and conditions, of one Node. */
export const NODE_LIST_ITEMS = 100;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names */
export const OBJECT_NAME = /^[a-z0-9.-]{1,253}$/;
export const OBJECT_UID = /^[A-Za-z0-9-]{1,128}$/;

const text = z.string().max(NODE_FIELD_CHARACTERS);

const schema = z.object({
  apiVersion: text.default('v1'),
  kind: text.default('Node'),
  // Both are copied into the status of a Machine.
  metadata: z.object({
    name: z.string().regex(OBJECT_NAME),
    uid: z.string().regex(OBJECT_UID).optional(),
    resourceVersion: text.optional(),
  }),
  spec: z.object({ providerID: text.optional(), unschedulable: z.boolean().nullish() }).default({}),
  status: z
    .object({
      addresses: z
        .array(z.object({ type: text, address: text }))
        .max(NODE_LIST_ITEMS)
        .optional(),
      conditions: z
        .array(z.object({ type: text, status: text, lastTransitionTime: text.nullable().optional() }))
        .max(NODE_LIST_ITEMS)
        .optional(),
    })
    .optional(),
});

/** Returns the fields of a Node that are needed; what cannot be read is an error that names the field. */
export function readNode(object: unknown): { readonly node: Node } | { readonly problem: string } {
  try {
    const { data, error } = schema.safeParse(object);
    if (data) return { node: data as Node };
    const [issue] = error.issues;
    return { problem: `${issue?.path.join('.')}: ${issue?.message}` };
  } catch {
    // zod compares the `length` of what is no text before it says so, and JSON can have one that is no number.
    return { problem: ': a field is no text' };
  }
}

export function workloadNode({ metadata, spec, status }: Node): WorkloadNode {
  return {
    name: metadata.name,
    uid: metadata.uid,
    providerID: spec.providerID,
    isUnschedulable: spec.unschedulable ?? false,
    addresses: (status?.addresses ?? []).map(({ address }) => address),
    conditions: (status?.conditions ?? []).map(({ type, status: is, lastTransitionTime }) => ({
      type,
      status: is,
      ...(lastTransitionTime && { lastTransitionTime }),
    })),
  };
}

const named = z.record(z.string(), z.string()).nullish();

const metadataSchema = z.object({
  metadata: z.object({ resourceVersion: text, labels: named, annotations: named }),
  spec: z
    .object({
      taints: z
        .array(
          z.object({
            key: text,
            value: text.optional(),
            effect: text,
            timeAdded: text.nullable().optional(),
          }),
        )
        .max(NODE_LIST_ITEMS)
        .nullish(),
    })
    .nullish(),
});

/** Returns what a Machine may write of its Node. Throws TypeError for what is no Node: nothing of it would be put back as it was. */
export function readNodeMetadata(object: unknown): NodeMetadata {
  const { data } = metadataSchema.safeParse(object);
  if (!data) throw new TypeError('no Node');
  const { resourceVersion, labels, annotations } = data.metadata;
  return {
    resourceVersion,
    labels: labels ?? {},
    annotations: annotations ?? {},
    taints: data.spec?.taints ?? [],
  };
}
