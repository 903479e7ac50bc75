/** Fields, printer columns and the scale subresource of kinds that keep a number of machines. */

import { z } from 'zod';
import type { ApiKind, Column } from './kind.ts';

export const MIN_READY_SECONDS = z
  .int()
  .min(0)
  .max(86_400)
  .default(0)
  .describe('How long a machine must be ready, in seconds, before it counts as available.');

/** Fields of a status. */
export const READY_REPLICAS = z.int().min(0).optional().describe('Machines that are ready.');
export const AVAILABLE_REPLICAS = z
  .int()
  .min(0)
  .optional()
  .describe('Machines that have been ready for minReadySeconds.');
export const SELECTOR_TEXT = z
  .string()
  .optional()
  .describe('The selector as text, for the scale subresource.');

export const SCALE: NonNullable<ApiKind['scale']> = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.status.selector',
};

export const DESIRED_COLUMN = replicaColumn('Desired', '.spec.replicas', 'Desired number of machines.');
export const CURRENT_COLUMN = replicaColumn('Current', '.status.replicas', 'Machines that exist.');
export const READY_COLUMN = replicaColumn('Ready', '.status.readyReplicas', 'Machines that are ready.');
export const AVAILABLE_COLUMN = replicaColumn(
  'Available',
  '.status.availableReplicas',
  'Machines that have been ready for long enough.',
);

export function replicaColumn(name: string, jsonPath: string, description: string): Column {
  return { name, type: 'integer', jsonPath, description };
}
