/** Machine: one virtual machine that is, or becomes, a node. */

import { z } from 'zod';
import type { KubeObject, ObjectMeta, ResourceKind } from '../../apimachinery/object.ts';
import { ConditionsSchema } from '../schema/condition.ts';
import { timestamp } from '../schema/field.ts';
import { API_VERSION, CLUSTER_NAME_LABELS } from '../schema/group.ts';
import { objectMetadata } from '../schema/metadata.ts';
import { MAX_KEYS } from '../schema/ssh-access.ts';
import { readProviderSpec, storedProviderSpec } from './decode-provider-spec.ts';
import { AGE_COLUMN, type ApiKind } from './kind.ts';
import {
  type LibvirtMachineProviderSpec,
  LibvirtMachineProviderSpecSchema,
} from './machine-provider-spec.ts';
import { type MachineSpec, MachineSpecSchema } from './machine-spec.ts';
import { MACHINE } from './names.ts';
import { PlanSchema } from './plan.ts';
import { readyColumn, readyReasonColumn } from './ready-columns.ts';

const PinnedSchema = z.strictObject({
  uri: z.string().describe('libvirt URI of the host.'),
  site: z
    .strictObject({
      cluster: z.string().optional().describe('Name of the Cluster; absent: there was none.'),
      network: z.string().describe('Network of interfaces that name none.'),
      pool: z.string().describe('Storage pool of disks that name none.'),
    })
    .optional()
    .describe(
      'Defaults that its Cluster gave it; absent for machines created by a version that did not record them.',
    ),
  domainType: z.enum(['kvm', 'qemu']).describe('Resolved domainType on this host.'),
  imageURI: z.string().describe('imageURI that `base` was resolved from.'),
  base: z
    .strictObject({
      pool: z.string().describe('Name of the pool.'),
      volume: z.string().describe('Name of the volume.'),
    })
    .describe('Base volume of the root disk.'),
  imageSource: z
    .string()
    .optional()
    .describe('Path or URL that `base` was imported from; absent if the volume existed before.'),
  imageChecksum: z
    .string()
    .optional()
    .describe('imageChecksum that `imageDigest` was resolved from; absent: none was given.'),
  imageDigest: z
    .string()
    .optional()
    .describe('Digest that the imported file has, sha256:… or sha512:…; absent: it was not verified.'),
  firmware: z
    .strictObject({
      loader: z.string().describe('Path of the firmware.'),
      nvramTemplate: z.string().optional().describe('Path of the template of its variables.'),
    })
    .optional()
    .describe('Paths of the UEFI firmware on the host; absent: BIOS.'),
  installation: z
    .string()
    .optional()
    .describe(
      'Installation that created the machine, as recorded in the domain; absent for machines created by a version that did not record it.',
    ),
  macs: z
    .array(z.string())
    .max(16)
    .optional()
    .describe(
      'MAC addresses of the interfaces, in order; absent for machines created by a version that did not assign them.',
    ),
  reservations: z
    .array(
      z.strictObject({
        network: z.string().describe('Network that reserves it.'),
        hostname: z.string().describe('Name in the DNS of the network.'),
        address: z.string().describe('IPv4 address.'),
        mac: z.string().optional().describe('MAC address that it is reserved for.'),
      }),
    )
    .max(16)
    .optional()
    .describe('Fixed addresses that networks of the host reserve for it.'),
  sshAccess: z
    .strictObject({
      authorizedKeys: z.array(z.string()).max(MAX_KEYS).describe('Public keys for ssh.'),
      user: z.string().optional().describe('User of Ignition that they were added to.'),
    })
    .optional()
    .describe('Public keys that the guest was given at its first boot; absent: none.'),
});

/** What is found out once about a machine, so that it keeps it when a file or the host changes. */
export type Pinned = z.output<typeof PinnedSchema>;

export const MachineProviderStatusSchema = z.strictObject({
  instanceState: z
    .string()
    .optional()
    .describe("State of the domain in libvirt's words: running, paused, shut off, crashed, …"),
  appliedHash: z.string().optional().describe('Hash of the intent that was last applied.'),
  host: z
    .string()
    .optional()
    .describe('Host that the machine was placed on: a name of hosts, else a libvirt URI.'),
  pinned: PinnedSchema.optional().describe(
    'Values that were resolved when the machine was created and that stay for its lifetime.',
  ),
  claimedAddresses: z
    .array(
      z.strictObject({
        interface: z.int().describe('Index of the interface.'),
        claim: z.string().describe('Name of the IPAddressClaim.'),
        address: z.string().describe('Address with the length of its prefix, for example 10.17.3.10/24.'),
        gateway: z.string().optional().describe('Gateway that the pool gives with it.'),
      }),
    )
    .max(128)
    .optional()
    .describe(
      'Addresses that pools granted to a LibvirtMachine, in the order of its interfaces and their pools; they stay for its lifetime.',
    ),
  domainName: z.string().optional().describe('Name of the domain in libvirt.'),
  leasesBefore: z
    .array(z.string())
    .max(64)
    .optional()
    .describe(
      'Leases that are older than the domain, by address and end: its guest has not requested them yet.',
    ),
  takenOverBy: z
    .string()
    .optional()
    .describe('uid of the object that took the machine over, with its state, after clusterctl move.'),
  lastPlan: PlanSchema.optional().describe('Last plan that has not been applied.'),
  lastPlanTime: timestamp()
    .optional()
    .describe(
      'When Terraform last compared the machine with its intent; at least once a day also when it need not, since nothing changed.',
    ),
  planDrift: z
    .array(z.string())
    .max(16)
    .optional()
    .describe('Changes from outside of CAPLV that this comparison found and that are not repaired.'),
  repairs: z
    .strictObject({
      count: z.int().describe('Repairs in a row.'),
      time: timestamp().describe('When the last repair began.'),
    })
    .optional()
    .describe(
      'Repairs in a row, and when the last one began: the delay before the next one grows each time.',
    ),
  diskSizes: z
    .array(
      z.strictObject({
        name: z.string().describe('`root`, or a name in `disks`; `disk-root` for a disk of that name.'),
        sizeGB: z.number().describe('Size in GB.'),
      }),
    )
    .max(17)
    .optional()
    .describe('Sizes that the specification gave its disks when it was last applied: none becomes smaller.'),
  reboot: z
    .strictObject({
      request: z.string().max(256).describe('Value of the annotation cluster-api.k8s.io/reboot.'),
      state: z
        .enum(['ShutDown', 'Done'])
        .describe('ShutDown: the guest is off, and is to be started. Done: nothing is left to do.'),
      time: timestamp().describe('When it came to that state.'),
    })
    .optional()
    .describe('Last request to restart the guest, and what became of it.'),
  lastStarted: timestamp()
    .optional()
    .describe('When CAPLV last started the guest. Health checks count from then.'),
  lastRecreated: timestamp()
    .optional()
    .describe('When repair last replaced the domain or created it again. Counts in the repair budget.'),
});

export const MachineStatusSchema = z.strictObject({
  phase: z
    .enum(['Pending', 'Provisioning', 'Provisioned', 'Running', 'Deleting', 'Failed'])
    .optional()
    .describe('Lifecycle phase of the machine.'),
  addresses: z
    .array(
      z.strictObject({
        type: z
          .enum(['InternalIP', 'ExternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS'])
          .describe('What kind of address it is.'),
        address: z.string().describe('The address itself.'),
      }),
    )
    .max(64)
    .optional()
    .describe('Addresses of the guest.'),
  conditions: ConditionsSchema.optional(),
  errorReason: z
    .string()
    .optional()
    .describe('Code of the error that needs a change by a person, for example InvalidConfiguration.'),
  errorMessage: z.string().optional().describe('Cause and fix of that error.'),
  nodeRef: z
    .strictObject({
      apiVersion: z.string().optional().describe('Always v1.'),
      kind: z.string().optional().describe('Always Node.'),
      name: z.string().describe('Name of the Node.'),
      uid: z.string().optional().describe('uid of the Node.'),
    })
    .optional()
    .describe('Node of the machine in the workload cluster.'),
  versions: z
    .strictObject({
      kubelet: z.string().optional().describe('Version of the kubelet.'),
      controlPlane: z.string().optional().describe('Version of the control plane.'),
    })
    .optional()
    .describe('Versions that the machine was created with.'),
  lastOperation: z
    .strictObject({
      type: z.enum(['Create', 'Update', 'Delete']).describe('What was done.'),
      state: z.enum(['Processing', 'Successful', 'Failed']).describe('State of the operation.'),
      description: z.string().describe('Result of the operation, for people.'),
      lastUpdated: timestamp().describe('When the operation last changed state.'),
    })
    .optional()
    .describe('Last operation on the machine.'),
  lastUpdated: timestamp().optional().describe('When status last changed.'),
  observedGeneration: z.int().optional().describe('metadata.generation that this status was computed from.'),
  providerStatus: MachineProviderStatusSchema.optional().describe('Status fields of the libvirt provider.'),
});

export type MachineStatus = z.output<typeof MachineStatusSchema>;
export type MachineProviderStatus = z.output<typeof MachineProviderStatusSchema>;
export type ClaimedAddress = NonNullable<MachineProviderStatus['claimedAddresses']>[number];

export interface Machine extends KubeObject {
  metadata: ObjectMeta;
  spec: MachineSpec;
  status?: MachineStatus;
}

export const MachineSchema = z
  .strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('Machine'),
    metadata: objectMetadata(63),
    spec: MachineSpecSchema.describe('Desired state of the machine.'),
    status: MachineStatusSchema.optional().describe(
      'Observed state of the machine, written by the controller.',
    ),
  })
  .describe('A Machine is one virtual machine that is, or becomes, a node.');

export const MachineKind: ApiKind<Machine> = {
  ...(MACHINE as typeof MACHINE & ResourceKind<Machine>),
  schema: MachineSchema,
  columns: [
    {
      name: 'Phase',
      type: 'string',
      jsonPath: '.status.phase',
      description: 'Lifecycle phase of the machine.',
    },
    readyColumn('True if the machine runs as specified.'),
    readyReasonColumn,
    {
      name: 'Address',
      type: 'string',
      jsonPath: '.status.addresses[?(@.type=="InternalIP")].address',
      description: 'Address of the guest.',
    },
    {
      name: 'Host',
      type: 'string',
      jsonPath: '.status.providerStatus.host',
      description: 'Host it runs on.',
    },
    {
      name: 'Node',
      type: 'string',
      jsonPath: '.status.nodeRef.name',
      description: 'Node that the machine became.',
    },
    {
      name: 'NodeReady',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="NodeReady")].status',
      description: 'True if that Node is ready.',
      wide: true,
    },
    {
      name: 'Version',
      type: 'string',
      jsonPath: '.spec.versions.kubelet',
      description: 'Version of the kubelet.',
      wide: true,
    },
    {
      name: 'ProviderID',
      type: 'string',
      jsonPath: '.spec.providerID',
      description: 'Identity for the Node.',
      wide: true,
    },
    AGE_COLUMN,
  ],
};

/** What the machine wants of libvirt, with defaults. Throws Terminal InvalidConfiguration. */
export function machineProviderSpec(machine: { readonly spec: MachineSpec }): LibvirtMachineProviderSpec {
  return readProviderSpec(LibvirtMachineProviderSpecSchema, machine.spec.providerSpec, [
    'spec',
    'providerSpec',
  ]);
}

/** See `storedProviderSpec`. */
export function storedMachineSpec(machine: { readonly spec: MachineSpec }): LibvirtMachineProviderSpec {
  return storedProviderSpec(LibvirtMachineProviderSpecSchema, machine.spec.providerSpec).spec;
}

/** Name of the machine's Cluster as the machine itself gives it: `spec.clusterName`, else a label. */
export function clusterNameOf(machine: {
  readonly metadata: ObjectMeta;
  readonly spec: Pick<MachineSpec, 'clusterName'>;
}): string | undefined {
  const label = CLUSTER_NAME_LABELS.find((name) => machine.metadata.labels?.[name]);
  return machine.spec.clusterName ?? (label && machine.metadata.labels?.[label]);
}

/**
 * Name of the Cluster to which a machine belongs for good: the one that it names, else the one that it was made for, if there was
 * any. Undefined: that is open, since the machine names none, and was not made yet or before it was noted.
 */
export function settledCluster(
  machine: Pick<Machine, 'metadata' | 'spec' | 'status'>,
): { readonly name: string | undefined } | undefined {
  const name = clusterNameOf(machine);
  if (name !== undefined) return { name };
  const site = machine.status?.providerStatus?.pinned?.site;
  return site && { name: site.cluster };
}

/** True for machines that name the Cluster or were made for it. Of one that names none and is not made yet nothing can depend on it. */
export function isOfCluster(machine: Machine, cluster: ObjectMeta): boolean {
  const { namespace = 'default' } = machine.metadata;
  if (namespace !== (cluster.namespace ?? 'default')) return false;
  const settled = settledCluster(machine);
  // Made before it was noted for which Cluster.
  if (!settled) return machine.status?.providerStatus?.pinned !== undefined;
  return settled.name === cluster.name;
}
