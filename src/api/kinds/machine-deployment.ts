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

const StrategySchema = withRules(
  z.strictObject({
    type: z
      .enum(['RollingUpdate', 'OnDelete'])
      .default('RollingUpdate')
      .describe('RollingUpdate: replace step by step; OnDelete: replace a machine when someone deletes it.'),
    rollingUpdate: withRules(
      z.strictObject({
        maxSurge: countOrPercent()
          .default(1)
          .describe('How many machines there may be beyond replicas, for example 1 or 25% (rounded up).'),
        maxUnavailable: countOrPercent()
          .default(0)
          .describe('How many of replicas may be missing, for example 0 or 25% (rounded down).'),
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
        'How many at a time, for RollingUpdate. Default: one more at a time, none missing. Where the template fixes what only one ' +
          'machine can have (mac, addresses, an existing volume), the old machine goes before the new one is made.',
      ),
  }),
  [
    {
      fields: ['rollingUpdate', 'type'],
      message: 'rollingUpdate says nothing to strategy OnDelete',
      fix: 'leave out rollingUpdate, or use type RollingUpdate',
      cel: "!has(self.rollingUpdate) || !has(self.type) || self.type == 'RollingUpdate'",
      check: ({ rollingUpdate, type }) => rollingUpdate === undefined || type === 'RollingUpdate',
    },
  ],
);

export const MachineDeploymentSpecSchema = withRules(
  z.strictObject({
    replicas: z.int().min(0).max(10_000).default(1).describe('How many machines there should be.'),
    selector: LabelSelectorSchema.describe(
      'Which machines belong to it. Must select the labels of the template.',
    ),
    template: MachineTemplateSchema.describe('What machines are made from. A change of it starts a rollout.'),
    strategy: StrategySchema.optional().describe(
      'How old machines give way to new ones. Default: RollingUpdate.',
    ),
    minReadySeconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(0)
      .describe('How long a machine must be ready, in seconds, before it counts as available.'),
    revisionHistoryLimit: z
      .int()
      .min(0)
      .max(100)
      .default(1)
      .describe('How many old MachineSets are kept, for rollback; those whose machines never ran go first.'),
    paused: z.boolean().default(false).describe('true: changes of the template wait.'),
    progressDeadlineSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(600)
      .describe('How long a rollout may stand still, in seconds, before it is reported as failed.'),
  }),
  TEMPLATE_RULES,
);

export type MachineDeploymentSpec = z.output<typeof MachineDeploymentSpecSchema>;

export const MachineDeploymentStatusSchema = z.strictObject({
  observedGeneration: z.int().optional().describe('metadata.generation that this status speaks of.'),
  replicas: z.int().min(0).default(0).describe('Machines that exist.'),
  updatedReplicas: z.int().min(0).optional().describe('Machines made from the current template.'),
  readyReplicas: z.int().min(0).optional().describe('Machines that are ready.'),
  availableReplicas: z.int().min(0).optional().describe('Machines that have been ready for minReadySeconds.'),
  unavailableReplicas: z.int().min(0).optional().describe('Machines that are still missing.'),
  selector: z.string().optional().describe('The selector as text, for the scale subresource.'),
  conditions: ConditionsSchema.optional(),
});

export type MachineDeploymentStatus = z.output<typeof MachineDeploymentStatusSchema>;

export interface MachineDeployment extends KubeObject {
  metadata: ObjectMeta;
  spec: MachineDeploymentSpec;
  status?: MachineDeploymentStatus;
}

export const MachineDeploymentSchema = z
  .strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('MachineDeployment'),
    metadata: objectMetadata(46),
    spec: MachineDeploymentSpecSchema.describe(
      'How many machines there should be, what they are made from, and how they are replaced.',
    ),
    status: MachineDeploymentStatusSchema.optional().describe(
      'How the deployment is: written by the controller.',
    ),
  })
  .describe(
    'A MachineDeployment keeps like machines in being and replaces them step by step when their template changes.',
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
  scale: {
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  },
  columns: [
    {
      name: 'Desired',
      type: 'integer',
      jsonPath: '.spec.replicas',
      description: 'Machines that there should be.',
    },
    { name: 'Current', type: 'integer', jsonPath: '.status.replicas', description: 'Machines that exist.' },
    {
      name: 'Updated',
      type: 'integer',
      jsonPath: '.status.updatedReplicas',
      description: 'Machines made from the current template.',
    },
    {
      name: 'Ready',
      type: 'integer',
      jsonPath: '.status.readyReplicas',
      description: 'Machines that are ready.',
    },
    {
      name: 'Available',
      type: 'integer',
      jsonPath: '.status.availableReplicas',
      description: 'Machines that have been ready for long enough.',
    },
    AGE_COLUMN,
  ],
};
