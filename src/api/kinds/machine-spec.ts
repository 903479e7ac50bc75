/** `spec` of a Machine; also what the templates of MachineSets and MachineDeployments hold. */

import { z } from 'zod';
import { DNS_SUBDOMAIN, dnsLabel, text } from '../schema/field.ts';
import { PassedMetadataSchema } from '../schema/metadata.ts';
import { findProviderSpec, providerSpecField } from '../schema/provider-spec.ts';
import { withRules } from '../schema/rule.ts';
import { LibvirtMachineProviderSpecSchema } from './machine-provider-spec.ts';

/** A version of Kubernetes, with or without the leading v. */
function version() {
  return text(/^v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/, 'a version of Kubernetes, for example 1.15.0', 64);
}

const TaintSchema = z.strictObject({
  key: z.string().min(1).max(317).describe('Key of the taint.'),
  value: z.string().max(63).optional().describe('Value of the taint.'),
  effect: z
    .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    .describe('What it does to pods that do not tolerate it.'),
  timeAdded: z.string().meta({ format: 'date-time' }).optional().describe('When it was added.'),
});

/** Provider-spec fields that configure the guest, as a bootstrap Secret does. */
const GUEST_CONFIGURATION = ['userData', 'userDataURI', 'ignition', 'ignitionURI'] as const;

export const MachineSpecSchema = withRules(
  z.strictObject({
    clusterName: dnsLabel()
      .optional()
      .describe(
        'Cluster that the machine belongs to. Default: the label cluster-api.k8s.io/cluster-name, else the only Cluster of the ' +
          'namespace.',
      ),
    metadata: PassedMetadataSchema.optional().describe(
      'Labels and annotations for the Node of this machine.',
    ),
    taints: z.array(TaintSchema).max(64).optional().describe('Taints for the Node of this machine.'),
    providerSpec: providerSpecField(LibvirtMachineProviderSpecSchema).describe(
      'The libvirt configuration of the machine: a LibvirtMachineProviderSpec, inline or under `value`.',
    ),
    versions: z
      .strictObject({
        kubelet: version().describe(
          'Version of the kubelet; ${CAPLV_KUBELET_VERSION} in user data, for example 1.15.0.',
        ),
        controlPlane: version()
          .optional()
          .describe('Version of the control plane, on control-plane machines.'),
      })
      .optional()
      .describe('Versions that user data can name.'),
    bootstrap: z
      .strictObject({
        dataSecretName: text(DNS_SUBDOMAIN, 'the name of a Secret, for example kube-cp-bootstrap')
          .optional()
          .describe('Secret of the same namespace, for example kube-cp-bootstrap.'),
      })
      .optional()
      .describe(
        'dataSecretName: Secret of the same namespace whose key `value` holds the user data or Ignition.',
      ),
    providerID: text(
      /^[!-~]*$/,
      'letters, digits and signs without spaces, or leave it to the controller',
      512,
    )
      .optional()
      .describe('Identity of the machine for its Node, libvirt:///<uid>. Set by the controller.'),
    nodeDrainTimeoutSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .optional()
      .describe(
        'How long the pods of its Node may take to leave when the machine is deleted. Default: 300. The annotation ' +
          'machine.cluster.x-k8s.io/exclude-node-draining has it deleted without asking them.',
      ),
    repair: z
      .enum(['Always', 'IfNotDestructive', 'Never'])
      .optional()
      .describe(
        'What a controller does when the domain or its disks were stopped, deleted or changed outside of CAPLV. IfNotDestructive: starts ' +
          'the domain again, creates what is missing unless a data disk is lost, and reports the rest. Always: also replaces the domain ' +
          'and creates lost data disks again, empty. Never: only reports. None of them replaces an existing disk. Default: ' +
          'IfNotDestructive.',
      ),
    configSource: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        'Reference to a dynamic kubelet configuration, for compatibility with the original API; stored and not used.',
      ),
  }),
  [
    {
      fields: ['bootstrap', 'providerSpec'],
      message: 'a guest is configured in one way only',
      fix: 'give bootstrap.dataSecretName, or one of userData, userDataURI, ignition and ignitionURI, not both',
      cel: `!has(self.bootstrap) || !has(self.bootstrap.dataSecretName) || !(${GUEST_CONFIGURATION.flatMap(
        (name) => [
          `has(self.providerSpec.${name})`,
          `has(self.providerSpec.value) && has(self.providerSpec.value.${name})`,
        ],
      ).join(' || ')})`,
      check: ({ bootstrap, providerSpec }) => {
        const { spec } = findProviderSpec(providerSpec);
        return !bootstrap?.dataSecretName || GUEST_CONFIGURATION.every((name) => spec[name] === undefined);
      },
    },
  ],
);

export type MachineSpec = z.output<typeof MachineSpecSchema>;
