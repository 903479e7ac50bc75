/** What MachineSets and MachineDeployments make machines from: a selector, and a template that it selects. */

import { z } from 'zod';
import { labels } from '../schema/field.ts';
import { PassedMetadataSchema } from '../schema/metadata.ts';
import { findProviderSpec } from '../schema/provider-spec.ts';
import type { Rule } from '../schema/rule.ts';
import { MachineSpecSchema } from './machine-spec.ts';

const RequirementSchema = z.lazy(() =>
  z.strictObject({
    key: z.string().min(1).max(317).describe('Name of the label.'),
    operator: z
      .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
      .describe('How the label is compared with values.'),
    values: z.array(z.string().max(63)).max(64).optional().describe('Values for In and NotIn.'),
  }),
);

export const LabelSelectorSchema = z.lazy(() =>
  z
    .strictObject({
      matchLabels: labels().optional().describe('Labels that a machine must have, with these values.'),
      matchExpressions: z
        .array(RequirementSchema)
        .max(64)
        .optional()
        .describe('Further requirements; all must be met.'),
    })
    .meta({ 'x-kubernetes-map-type': 'atomic' }),
);

export type LabelSelector = z.output<typeof LabelSelectorSchema>;

export const MachineTemplateSchema = z.lazy(() =>
  z.strictObject({
    metadata: PassedMetadataSchema.optional().describe('Labels and annotations of the machines.'),
    spec: MachineSpecSchema.describe('Spec of the machines.'),
  }),
);

export type MachineTemplate = z.output<typeof MachineTemplateSchema>;

interface Templated {
  replicas: number;
  selector: LabelSelector;
  template: MachineTemplate;
}

/** True if the selector selects objects with these labels. */
export function selects(selector: LabelSelector, given: Readonly<Record<string, string>> = {}): boolean {
  const wanted = Object.entries(selector.matchLabels ?? {});
  return (
    wanted.every(([key, value]) => given[key] === value) &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = given[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      return (value !== undefined && values.includes(value)) === (operator === 'In');
    })
  );
}

/** A selector of label queries: `a=b,c in (d,e),!f`, as stores and the scale subresource take it. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const operators = { In: 'in', NotIn: 'notin' };
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key;
      if (operator === 'DoesNotExist') return `!${key}`;
      return `${key} ${operators[operator]} (${values.join(',')})`;
    }),
  ].join(',');
}

/** Rules for whatever has replicas, selector and template. */
export const TEMPLATE_RULES: readonly Rule<Templated>[] = [
  {
    fields: ['selector'],
    message: 'the selector is empty and would take every machine',
    fix: 'give matchLabels, for example {set: workers}',
    cel: 'has(self.selector.matchLabels) || has(self.selector.matchExpressions)',
    check: ({ selector }) => selectorText(selector) !== '',
  },
  {
    fields: ['template', 'selector'],
    message: 'the selector does not select the labels of the template',
    fix: 'repeat the labels of selector.matchLabels in template.metadata.labels',
    cel:
      '!has(self.selector.matchLabels) || self.selector.matchLabels.all(key, has(self.template.metadata) && ' +
      'has(self.template.metadata.labels) && key in self.template.metadata.labels && ' +
      'self.template.metadata.labels[key] == self.selector.matchLabels[key])',
    check: ({ template, selector }) => selects(selector, template.metadata?.labels),
  },
  {
    fields: ['template', 'replicas'],
    message: 'the template fixes what only one machine can have: a MAC or IP address, or an existing volume',
    fix: 'leave out mac and addresses of the interfaces and volume of the disks, or set replicas to 1',
    cel: `!has(self.replicas) || self.replicas <= 1 || (${isForMany('self.template.spec.providerSpec')} && (!has(self.template.spec.providerSpec.value) || ${isForMany('self.template.spec.providerSpec.value')}))`,
    check: ({ template, replicas }) => replicas <= 1 || !isForOneMachine(template),
  },
];

/** Returns true if the template fixes what only one machine can have at a time. */
export function isForOneMachine({ spec }: Pick<MachineTemplate, 'spec'>): boolean {
  const { interfaces, disks } = findProviderSpec(spec.providerSpec).spec;
  const has = (list: unknown, ...fields: readonly string[]) =>
    Array.isArray(list) &&
    list.some((one: Record<string, unknown> | null) => fields.some((field) => one?.[field] !== undefined));
  return has(interfaces, 'mac', 'addresses') || has(disks, 'volume');
}

/** CEL: the provider spec at `path` fixes nothing that only one machine can have. */
function isForMany(path: string): string {
  const addresses = `(!has(${path}.interfaces) || ${path}.interfaces.all(one, !has(one.mac) && !has(one.addresses)))`;
  return `${addresses} && (!has(${path}.disks) || ${path}.disks.all(one, !has(one.volume)))`;
}
