/** A plan that waits for a person's word, in the status of the object that it would change. */

import { z } from 'zod';
import { timestamp } from '../schema/field.ts';

export const PlanSchema = z.strictObject({
  id: z.string().describe('ID of the plan, with which it is approved.'),
  time: timestamp().describe('When it was made.'),
  summary: z.string().describe('For example: 1 to replace, 2 to change.'),
  actions: z
    .array(
      z.strictObject({
        address: z.string().describe('Address of the resource in Terraform.'),
        action: z
          .enum(['create', 'update', 'replace', 'delete'])
          .describe('Action that the plan takes on the resource.'),
        reason: z.string().optional().describe('Fields that force a replacement.'),
      }),
    )
    .max(64)
    .describe('One entry for each resource that changes.'),
});
