/** MachineSet: keeps a number of like machines in being. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta } from '../../apimachinery/object.ts';
import { ConditionsSchema } from '../schema/condition.ts';
import { API_VERSION, GROUP, VERSION } from '../schema/group.ts';
import { objectMetadata } from '../schema/metadata.ts';
import { withRules } from '../schema/rule.ts';
import { AGE_COLUMN, type ApiKind } from './kind.ts';
import { LabelSelectorSchema, MachineTemplateSchema, TEMPLATE_RULES } from './machine-template.ts';
import {
  AVAILABLE_COLUMN,
  AVAILABLE_REPLICAS,
  CURRENT_COLUMN,
  DESIRED_COLUMN,
  MIN_READY_SECONDS,
  READY_COLUMN,
  READY_REPLICAS,
  SCALE,
  SELECTOR_TEXT,
} from './replicas.ts';

export const MachineSetSpecSchema = z.lazy(() =>
  withRules(
    z.strictObject({
      replicas: z.int().min(0).max(10_000).default(1).describe('Desired number of machines.'),
      minReadySeconds: MIN_READY_SECONDS,
      deletePolicy: z
        .enum(['Random', 'Newest', 'Oldest'])
        .default('Random')
        .describe(
          'Which machines go first when there are too many; one with the delete annotation always does.',
        ),
      selector: LabelSelectorSchema.describe(
        'Selects the machines of the set. Must match the labels of the template.',
      ),
      template: MachineTemplateSchema.describe('Template of the machines.'),
    }),
    TEMPLATE_RULES,
  ),
);

export type MachineSetSpec = z.output<typeof MachineSetSpecSchema>;

export const MachineSetStatusSchema = z.lazy(() =>
  z.strictObject({
    replicas: z.int().min(0).default(0).describe('Machines that exist.'),
    askedReplicas: z
      .int()
      .min(0)
      .optional()
      .describe('Last spec.replicas that was reached. Many more machines than that freeze the set.'),
    fullyLabeledReplicas: z.int().min(0).optional().describe("Machines whose labels are the template's."),
    readyReplicas: READY_REPLICAS,
    availableReplicas: AVAILABLE_REPLICAS,
    selector: SELECTOR_TEXT,
    observedGeneration: z
      .int()
      .optional()
      .describe('metadata.generation that this status was computed from.'),
    conditions: ConditionsSchema.optional(),
    errorReason: z.string().optional().describe('Code of the error that needs a change by a person.'),
    errorMessage: z.string().optional().describe('Cause and fix of that error.'),
  }),
);

export type MachineSetStatus = z.output<typeof MachineSetStatusSchema>;

export interface MachineSet extends KubeObject {
  metadata: ObjectMeta;
  spec: MachineSetSpec;
  status?: MachineSetStatus;
}

export const MachineSetSchema = z.lazy(() =>
  z
    .strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal('MachineSet'),
      metadata: objectMetadata(57),
      spec: MachineSetSpecSchema.describe('Desired number of machines and their template.'),
      status: MachineSetStatusSchema.optional().describe(
        'Observed state of the set, written by the controller.',
      ),
    })
    .describe('A MachineSet keeps a number of identical machines running.'),
);

export const MachineSetKind: ApiKind<MachineSet> = {
  group: GROUP,
  version: VERSION,
  kind: 'MachineSet',
  plural: 'machinesets',
  singular: 'machineset',
  shortNames: ['ms'],
  namespaced: true,
  schema: MachineSetSchema,
  scale: SCALE,
  columns: [DESIRED_COLUMN, CURRENT_COLUMN, READY_COLUMN, AVAILABLE_COLUMN, AGE_COLUMN],
};
