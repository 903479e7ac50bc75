/** `metadata` of an object, and the short form of it that templates and nodes take. */

import { z } from 'zod';
import { annotations, DNS_SUBDOMAIN, dnsLabel, labels, text, timestamp } from './field.ts';

const OwnerReferenceSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});

/** `metadata` of a whole object whose name has at most `maxName` characters. */
export function objectMetadata(maxName: number) {
  return z.strictObject({
    name: text(
      DNS_SUBDOMAIN,
      'lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit, for example kube-cp',
      maxName,
    ),
    namespace: dnsLabel().optional(),
    labels: labels().optional(),
    annotations: annotations().optional(),
    finalizers: z.array(z.string()).optional(),
    ownerReferences: z.array(OwnerReferenceSchema).optional(),
    generateName: z.string().optional(),
    // Set by the store; dropped from manifests.
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    generation: z.int().optional(),
    creationTimestamp: timestamp().nullish(),
    deletionTimestamp: timestamp().optional(),
    deletionGracePeriodSeconds: z.int().optional(),
    managedFields: z.array(z.unknown()).optional(),
    selfLink: z.string().optional(),
  });
}

/** Fields of `metadata` that only a store sets. */
export const STORE_METADATA: readonly string[] = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
  'selfLink',
];

/** What is passed on to what is made from it: a template's to its Machines, a Machine's to its Node. */
export const PassedMetadataSchema = z.strictObject({
  labels: labels().optional().describe('Labels, which selectors match.'),
  annotations: annotations().optional().describe('Annotations, which selectors do not match.'),
});
