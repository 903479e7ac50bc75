/** Conditions: what is true of an object now, why, and since when. The shape is Kubernetes' metav1.Condition. */

import { z } from 'zod';
import { timestamp } from './field.ts';

export const ConditionSchema = z
  .strictObject({
    type: z.string().max(316).describe('What the condition is about, for example Ready.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('Status of the condition.'),
    reason: z.string().max(1024).describe('Reason in one word, for programs, for example PoolNotFound.'),
    message: z.string().max(32768).describe('One or two sentences for people: the cause and the fix.'),
    lastTransitionTime: timestamp().describe('When status last changed.'),
    observedGeneration: z
      .int()
      .optional()
      .describe('metadata.generation that the condition was computed from.'),
  })
  .meta({ 'x-kubernetes-map-type': 'atomic' });

export const ConditionsSchema = z
  .array(ConditionSchema)
  .max(32)
  .describe('Conditions of the object, each with its reason.')
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });
