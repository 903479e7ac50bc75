/** MachineDeployment: like machines, replaced by new ones step by step when their template changes. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta } from '../../apimachinery/object.ts';
import { ConditionsSchema } from '../schema/condition.ts';
import { countOrPercent } from '../schema/count-or-percent.ts';
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
  replicaColumn,
  SCALE,
  SELECTOR_TEXT,
} from './replicas.ts';

const StrategySchema = z.lazy(() =>
  withRules(
    z.strictObject({
      type: z
        .enum(['RollingUpdate', 'OnDelete'])
        .default('RollingUpdate')
        .describe(
          'RollingUpdate: replace step by step; OnDelete: replace a machine when someone deletes it.',
        ),
      rollingUpdate: withRules(
        z.strictObject({
          maxSurge: countOrPercent()
            .default(1)
            .describe('How many machines may exist beyond replicas, for example 1 or 25% (rounded up).'),
          maxUnavailable: countOrPercent()
            .default(0)
            .describe('How many of replicas may be unavailable, for example 0 or 25% (rounded down).'),
        }),
        [
          {
            fields: ['maxSurge', 'maxUnavailable'],
            message: 'with maxSurge and maxUnavailable both 0 no machine could ever be replaced',
            fix: 'set one of them to 1 or more',
            cel: "!(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
            check: ({ maxSurge, maxUnavailable }) =>
              Number.parseInt(`${maxSurge}`, 10) + Number.parseInt(`${maxUnavailable}`, 10) > 0,
          },
        ],
      )
        .optional()
        .describe(
          'How many machines to replace at a time, for RollingUpdate. Default: one more at a time, none unavailable. Where the template fixes what only one ' +
            'machine can have (mac, addresses, an existing volume), the old machine is deleted before the new one is created.',
        ),
    }),
    [
      {
        fields: ['rollingUpdate', 'type'],
        message: 'rollingUpdate has no effect with strategy OnDelete',
        fix: 'leave out rollingUpdate, or use type RollingUpdate',
        cel: "!has(self.rollingUpdate) || !has(self.type) || self.type == 'RollingUpdate'",
        check: ({ rollingUpdate, type }) => rollingUpdate === undefined || type === 'RollingUpdate',
      },
    ],
  ),
);

export const MachineDeploymentSpecSchema = z.lazy(() =>
  withRules(
    z.strictObject({
      replicas: z.int().min(0).max(10_000).default(1).describe('Desired number of machines.'),
      selector: LabelSelectorSchema.describe(
        'Selects the machines of the deployment. Must match the labels of the template.',
      ),
      template: MachineTemplateSchema.describe('Template of the machines. A change starts a rollout.'),
      strategy: StrategySchema.optional().describe(
        'How old machines are replaced by new ones. Default: RollingUpdate.',
      ),
      minReadySeconds: MIN_READY_SECONDS,
      revisionHistoryLimit: z
        .int()
        .min(0)
        .max(100)
        .default(1)
        .describe(
          'How many old MachineSets are kept for rollback; those whose machines never ran are deleted first.',
        ),
      paused: z.boolean().default(false).describe('If true, changes of the template do not start a rollout.'),
      progressDeadlineSeconds: z
        .int()
        .min(1)
        .max(86_400)
        .default(600)
        .describe('How long a rollout may make no progress, in seconds, before it is reported as failed.'),
    }),
    TEMPLATE_RULES,
  ),
);

export type MachineDeploymentSpec = z.output<typeof MachineDeploymentSpecSchema>;

export const MachineDeploymentStatusSchema = z.lazy(() =>
  z.strictObject({
    observedGeneration: z
      .int()
      .optional()
      .describe('metadata.generation that this status was computed from.'),
    replicas: z.int().min(0).default(0).describe('Machines that exist.'),
    updatedReplicas: z.int().min(0).optional().describe('Machines created from the current template.'),
    readyReplicas: READY_REPLICAS,
    availableReplicas: AVAILABLE_REPLICAS,
    unavailableReplicas: z.int().min(0).optional().describe('Machines that are not available yet.'),
    selector: SELECTOR_TEXT,
    conditions: ConditionsSchema.optional(),
  }),
);

export type MachineDeploymentStatus = z.output<typeof MachineDeploymentStatusSchema>;

export interface MachineDeployment extends KubeObject {
  metadata: ObjectMeta;
  spec: MachineDeploymentSpec;
  status?: MachineDeploymentStatus;
}

export const MachineDeploymentSchema = z.lazy(() =>
  z
    .strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal('MachineDeployment'),
      metadata: objectMetadata(46),
      spec: MachineDeploymentSpecSchema.describe(
        'Desired number of machines, their template, and how they are replaced.',
      ),
      status: MachineDeploymentStatusSchema.optional().describe(
        'Observed state of the deployment, written by the controller.',
      ),
    })
    .describe(
      'A MachineDeployment keeps a number of identical machines running and replaces them step by step when their template changes.',
    ),
);

export const MachineDeploymentKind: ApiKind<MachineDeployment> = {
  group: GROUP,
  version: VERSION,
  kind: 'MachineDeployment',
  plural: 'machinedeployments',
  singular: 'machinedeployment',
  shortNames: ['md'],
  namespaced: true,
  schema: MachineDeploymentSchema,
  scale: SCALE,
  columns: [
    DESIRED_COLUMN,
    CURRENT_COLUMN,
    replicaColumn('Updated', '.status.updatedReplicas', 'Machines created from the current template.'),
    READY_COLUMN,
    AVAILABLE_COLUMN,
    AGE_COLUMN,
  ],
};
