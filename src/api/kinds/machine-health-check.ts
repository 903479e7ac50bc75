/** MachineHealthCheck: which machines are to be watched, what makes one unhealthy, and when it is replaced. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta } from '../../apimachinery/object.ts';
import { ConditionsSchema } from '../schema/condition.ts';
import { countOrPercent } from '../schema/count-or-percent.ts';
import { dnsLabel, duration, timestamp } from '../schema/field.ts';
import { API_VERSION, GROUP, VERSION } from '../schema/group.ts';
import { objectMetadata } from '../schema/metadata.ts';
import { withRules } from '../schema/rule.ts';
import { AGE_COLUMN, type ApiKind } from './kind.ts';
import { LabelSelectorSchema, selectorText } from './machine-template.ts';
import { readyColumn, readyReasonColumn } from './ready-columns.ts';

const UnhealthyConditionSchema = z.lazy(() =>
  z.strictObject({
    type: z.string().min(1).max(316).describe('Type of the condition, for example Ready.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('The status that is unhealthy.'),
    timeout: duration('5m').describe('How long the condition may last, for example 5m.'),
  }),
);

export const MachineHealthCheckSpecSchema = z.lazy(() =>
  withRules(
    z.strictObject({
      clusterName: dnsLabel()
        .optional()
        .describe('Check only machines of this Cluster. Default: of any Cluster.'),
      selector: LabelSelectorSchema.describe('Which machines of the namespace are checked.'),
      unhealthyConditions: z
        .array(UnhealthyConditionSchema)
        .max(100)
        .optional()
        .describe('Conditions of the Node that make the machine unhealthy when one of them lasts too long.'),
      unhealthyMachineConditions: z
        .array(UnhealthyConditionSchema)
        .max(100)
        .optional()
        .describe('Conditions of the Machine that make it unhealthy when one of them lasts too long.'),
      nodeStartupTimeout: duration('10m')
        .default('10m')
        .describe('How long after its creation a machine may be without a Node. 0s: without limit.'),
      maxUnhealthy: countOrPercent()
        .default('100%')
        .describe(
          'While more of the selected machines are unhealthy than this, none is replaced, for example 2 or 40% (rounded down).',
        ),
    }),
    [
      {
        fields: ['selector'],
        message: 'the selector is empty and would take every machine',
        fix: 'give matchLabels, for example {set: workers}',
        cel: 'has(self.selector.matchLabels) || has(self.selector.matchExpressions)',
        check: ({ selector }) => selectorText(selector) !== '',
      },
    ],
  ),
);

export type MachineHealthCheckSpec = z.output<typeof MachineHealthCheckSpecSchema>;

const RemediationSchema = z.lazy(() =>
  z.strictObject({
    name: z.string().describe('Name of the Machine that was deleted.'),
    uid: z.string().describe('And its uid.'),
    time: timestamp().describe('When that was.'),
    host: z.string().optional().describe('libvirt URI of its host.'),
    set: z.string().optional().describe('uid of its MachineSet.'),
  }),
);

export type Remediation = z.output<typeof RemediationSchema>;

export const MachineHealthCheckStatusSchema = z.lazy(() =>
  z.strictObject({
    expectedMachines: z.int().min(0).optional().describe('Machines that are checked.'),
    currentHealthy: z.int().min(0).optional().describe('Selected machines that are healthy.'),
    remediationsAllowed: z
      .int()
      .min(0)
      .optional()
      .describe('How many more machines may become unhealthy before maxUnhealthy stops replacement.'),
    targets: z.array(z.string()).max(10_000).optional().describe('Names of the machines that are checked.'),
    remediations: z
      .array(RemediationSchema)
      .max(1_000)
      .optional()
      .describe('Machines that were recently deleted to be replaced. They count in the repair budget.'),
    observedGeneration: z
      .int()
      .optional()
      .describe('metadata.generation that this status was computed from.'),
    conditions: ConditionsSchema.optional(),
  }),
);

export type MachineHealthCheckStatus = z.output<typeof MachineHealthCheckStatusSchema>;

export interface MachineHealthCheck extends KubeObject {
  metadata: ObjectMeta;
  spec: MachineHealthCheckSpec;
  status?: MachineHealthCheckStatus;
}

export const MachineHealthCheckSchema = z.lazy(() =>
  z
    .strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal('MachineHealthCheck'),
      metadata: objectMetadata(63),
      spec: MachineHealthCheckSpecSchema.describe(
        'Which machines are checked, and when a machine is unhealthy.',
      ),
      status: MachineHealthCheckStatusSchema.optional().describe(
        'Observed state of the check, written by the controller.',
      ),
    })
    .describe('A MachineHealthCheck replaces machines that are unhealthy for too long.'),
);

export const MachineHealthCheckKind: ApiKind<MachineHealthCheck> = {
  group: GROUP,
  version: VERSION,
  kind: 'MachineHealthCheck',
  plural: 'machinehealthchecks',
  singular: 'machinehealthcheck',
  shortNames: ['mhc'],
  namespaced: true,
  schema: MachineHealthCheckSchema,
  columns: [
    {
      name: 'Expected',
      type: 'integer',
      jsonPath: '.status.expectedMachines',
      description: 'Machines that are checked.',
    },
    {
      name: 'Healthy',
      type: 'integer',
      jsonPath: '.status.currentHealthy',
      description: 'Selected machines that are healthy.',
    },
    {
      name: 'MaxUnhealthy',
      type: 'string',
      jsonPath: '.spec.maxUnhealthy',
      description: 'How many more machines may become unhealthy before replacement stops.',
    },
    readyColumn('True if all of them are healthy.'),
    readyReasonColumn,
    {
      name: 'Remediation',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="RemediationAllowed")].reason',
      description: 'Whether unhealthy machines are replaced, and if not, why.',
      wide: true,
    },
    AGE_COLUMN,
  ],
};
