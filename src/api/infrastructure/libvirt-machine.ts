/** LibvirtMachine: the virtual machine behind a Machine of the current Cluster API, and the template that it is cloned from. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { AGE_COLUMN, type ApiKind, type Column } from '../kinds/kind.ts';
import { MachineStatusSchema } from '../kinds/machine.ts';
import { MACHINE_RULES, MachineFields } from '../kinds/machine-provider-spec.ts';
import { MachineSpecSchema } from '../kinds/machine-spec.ts';
import { readyColumn, readyReasonColumn } from '../kinds/ready-columns.ts';
import { text } from '../schema/field.ts';
import { objectMetadata, PassedMetadataSchema } from '../schema/metadata.ts';
import { type Rule, withRules } from '../schema/rule.ts';
import { INFRASTRUCTURE_API_VERSION, INFRASTRUCTURE_GROUP, INFRASTRUCTURE_VERSION } from './group.ts';
import { LIBVIRT_MACHINE } from './names.ts';
import { POOL_MACHINE_RULE, PoolInterfaceSchema } from './pool-interface.ts';
import { unchanged } from './transition-rule.ts';

/** Fields that Terraform changes in place, or that Terraform is not asked about. All others make another machine. */
const MUTABLE = [
  'autostart',
  'running',
  'shutdownTimeoutSeconds',
  'repair',
  'providerID',
  'sshUser',
] as const;

/** What configures the guest comes from the bootstrap provider, by the Secret that the Machine names. */
const GUEST_CONFIGURATION = ['userData', 'userDataURI', 'ignition', 'ignitionURI'];

const Fields = MachineFields.omit({
  apiVersion: true,
  kind: true,
  userData: true,
  userDataURI: true,
  ignition: true,
  ignitionURI: true,
  // Of the Machine that owns it.
  failureDomain: true,
}).extend({
  providerID: text(/^[!-~]+$/, 'letters, digits and signs without spaces; the controller sets it', 512)
    .optional()
    .describe('Identity of the machine for its Node, libvirt:///<instance id>. Set by the controller.'),
  repair: MachineSpecSchema.shape.repair,
  interfaces: z
    .array(PoolInterfaceSchema)
    .max(16)
    .optional()
    .describe(MachineFields.shape.interfaces.description ?? ''),
});

const rules = [
  ...MACHINE_RULES.filter(({ fields }) => !fields.some((name) => GUEST_CONFIGURATION.includes(name))),
  POOL_MACHINE_RULE,
] as unknown as readonly Rule<z.output<typeof Fields>>[];

/** Without rules about changes: what a template holds may be tried out by a dry run, and is guarded by an admission policy. */
const TemplateSpecSchema = withRules(Fields.omit({ providerID: true }), rules as never);

export const LibvirtMachineSpecSchema = withRules(Fields, [
  ...rules,
  ...Object.keys(Fields.shape)
    .filter((name) => !(MUTABLE as readonly string[]).includes(name))
    .map((name) => unchanged<z.output<typeof Fields>>(name as never, 'a new template and a rollout')),
  {
    fields: ['providerID'],
    message: 'spec.providerID does not change once it is set',
    fix: 'leave it to the controller',
    cel: '!has(oldSelf.providerID) || (has(self.providerID) && self.providerID == oldSelf.providerID)',
    check: () => true,
  },
]);

export type LibvirtMachineSpec = z.output<typeof Fields>;

const { phase, addresses, conditions, lastOperation, lastUpdated, observedGeneration, providerStatus } =
  MachineStatusSchema.shape;

export const LibvirtMachineStatusSchema = z.strictObject({
  initialization: z
    .strictObject({
      provisioned: z.boolean().optional().describe('True once the virtual machine was made; stays true.'),
    })
    .optional()
    .describe('What the current Cluster API waits for before it goes on with the Machine.'),
  failureDomain: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe('Failure domain of the host that the machine was placed on.'),
  addresses,
  conditions,
  phase,
  lastOperation,
  lastUpdated,
  observedGeneration,
  providerStatus,
});

export type LibvirtMachineStatus = z.output<typeof LibvirtMachineStatusSchema>;

export interface LibvirtMachine extends KubeObject {
  metadata: ObjectMeta;
  spec: LibvirtMachineSpec;
  status?: LibvirtMachineStatus;
}

const column = (name: string, jsonPath: string, description: string, wide = false): Column => ({
  name,
  type: 'string',
  jsonPath,
  description,
  ...(wide && { wide }),
});

export const LibvirtMachineKind: ApiKind<LibvirtMachine> = {
  ...(LIBVIRT_MACHINE as typeof LIBVIRT_MACHINE & ResourceKind<LibvirtMachine>),
  schema: z
    .strictObject({
      apiVersion: z.literal(INFRASTRUCTURE_API_VERSION),
      kind: z.literal('LibvirtMachine'),
      metadata: objectMetadata(63),
      spec: LibvirtMachineSpecSchema.describe('What the machine should be.'),
      status: LibvirtMachineStatusSchema.optional().describe(
        'Observed state of the machine, written by the controller.',
      ),
    })
    .describe('A LibvirtMachine is the virtual machine of a Machine of the current Cluster API.'),
  columns: [
    column(
      'Cluster',
      String.raw`.metadata.labels['cluster\.x-k8s\.io/cluster-name']`,
      'Cluster that it belongs to.',
    ),
    column(
      'Machine',
      '.metadata.ownerReferences[?(@.kind=="Machine")].name',
      'Machine of the Cluster API that owns it.',
    ),
    {
      name: 'Provisioned',
      type: 'boolean',
      jsonPath: '.status.initialization.provisioned',
      description: 'True once the virtual machine was made.',
    },
    readyColumn('True if the machine runs as specified.'),
    readyReasonColumn,
    column('Address', '.status.addresses[?(@.type=="InternalIP")].address', 'Address of the guest.'),
    column('Host', '.status.providerStatus.host', 'Host it runs on.'),
    column('ProviderID', '.spec.providerID', 'Identity for the Node.', true),
    AGE_COLUMN,
  ],
};

export const LibvirtMachineTemplateSpecSchema = z.strictObject({
  template: z
    .strictObject({
      metadata: PassedMetadataSchema.optional().describe('Labels and annotations of the machines.'),
      spec: TemplateSpecSchema.describe('Spec of the machines.'),
    })
    .describe('What machines are cloned from.'),
});

const LibvirtMachineTemplateStatusSchema = z.strictObject({
  capacity: z
    .record(z.string(), z.string())
    .optional()
    .describe('What a machine has, for an autoscaler that scales from zero: cpu and memory.'),
  nodeInfo: z
    .strictObject({
      architecture: z
        .enum(['amd64', 'arm64', 's390x', 'ppc64le'])
        .optional()
        .describe('CPU architecture of a machine.'),
      operatingSystem: z.string().optional().describe('Operating system of a machine, for example linux.'),
    })
    .optional()
    .describe('What a Node of it will say of itself.'),
});

export interface LibvirtMachineTemplate extends KubeObject {
  metadata: ObjectMeta;
  spec: z.output<typeof LibvirtMachineTemplateSpecSchema>;
  status?: z.output<typeof LibvirtMachineTemplateStatusSchema>;
}

export const LibvirtMachineTemplateKind: ApiKind<LibvirtMachineTemplate> = {
  group: INFRASTRUCTURE_GROUP,
  version: INFRASTRUCTURE_VERSION,
  kind: 'LibvirtMachineTemplate',
  plural: 'libvirtmachinetemplates',
  singular: 'libvirtmachinetemplate',
  shortNames: [],
  namespaced: true,
  schema: z
    .strictObject({
      apiVersion: z.literal(INFRASTRUCTURE_API_VERSION),
      kind: z.literal('LibvirtMachineTemplate'),
      metadata: objectMetadata(253),
      spec: LibvirtMachineTemplateSpecSchema.describe('What machines are cloned from; it does not change.'),
      status: LibvirtMachineTemplateStatusSchema.optional().describe(
        'Resources of machines of this template, written by the controller.',
      ),
    })
    .describe('A LibvirtMachineTemplate is what LibvirtMachines are cloned from.'),
  columns: [
    { name: 'CPUs', type: 'integer', jsonPath: '.spec.template.spec.vcpu', description: 'Virtual CPUs.' },
    column('Memory', '.status.capacity.memory', 'Memory of a machine.'),
    column('Image', '.spec.template.spec.imageURI', 'Image of the root disk.', true),
    AGE_COLUMN,
  ],
};
