/** LibvirtMachineProviderSpec: what a Machine wants of libvirt. Sizes in GB count as libvirt counts: 1 GB = 1024 MiB. */

import { z } from 'zod';
import { isMapping } from '../../apimachinery/mapping.ts';
import {
  CONTROLS,
  dnsLabel,
  fileURI,
  libvirtName,
  libvirtText,
  libvirtURI,
  readableURI,
  secretText,
  text,
} from '../schema/field.ts';
import { ACCEPTED_API_VERSIONS, GROUP, VERSION } from '../schema/group.ts';
import { type Rule, withRules } from '../schema/rule.ts';
import { machineSshFields } from '../schema/ssh-access.ts';
import { DiskSchema } from './machine-disk.ts';
import { hasPrefix, InterfaceSchema } from './machine-interface.ts';

export const MachineFields = z.strictObject({
  apiVersion: z
    .enum([...ACCEPTED_API_VERSIONS, `libvirt.${GROUP}/${VERSION}`])
    .optional()
    .describe('Accepted for compatibility with the original API; has no effect.'),
  kind: z.literal('LibvirtMachineProviderSpec').optional().describe('Accepted; has no effect.'),

  vcpu: z
    .int()
    .min(1)
    .max(1024)
    .describe('Number of virtual CPUs, for example 2. A change restarts the guest; its disks stay.'),
  memoryInGB: z
    .number()
    .min(0.0625)
    .max(65_536)
    .optional()
    .describe(
      'Memory in GB (1 GB = 1024 MiB), whole or not, for example 2 or 0.5. This or memoryMiB. A change restarts the guest; its disks stay.',
    ),
  memoryMiB: z
    .int()
    .min(64)
    .max(67_108_864)
    .optional()
    .describe(
      'Memory in MiB, for example 2048. This or memoryInGB. A change restarts the guest; its disks stay.',
    ),

  imageURI: readableURI(
    text(
      new RegExp(
        String.raw`^(\/|file:(\/\/)?\/[^/\s]|https?:\/\/[^/\s]|volume:[^/\s${CONTROLS}]+\/[^/${CONTROLS}])[^${CONTROLS}]*$`,
      ),
      'an absolute path, file:///…, http://…, https://… or volume:POOL/NAME, for example /var/lib/images/debian-12.qcow2',
      4096,
    ),
  )
    .meta({ file: true })
    .describe(
      'Disk image that the machine boots from: an absolute path, file:///…, http(s)://…, or volume:POOL/NAME for a volume that the host already ' +
        'has. qcow2 or raw; vmdk, vhdx and vdi are converted; gzip, xz, zstd and bzip2 are unpacked. Imported once per host and pool; machines ' +
        'are overlays of it.',
    ),
  imageChecksum: readableURI(
    text(
      new RegExp(
        String.raw`^(sha256:[0-9A-Fa-f]{64}|sha512:[0-9A-Fa-f]{128}|(\/|file:(\/\/)?\/[^/\s]|https?:\/\/[^/\s])[^${CONTROLS}]*)$`,
      ),
      'sha256: or sha512: with the digest in hexadecimal digits, or the path or URL of a checksum file, for example https://example.com/SHA256SUMS',
      4096,
    ),
  )
    .meta({ file: true })
    .optional()
    .describe(
      'Digest of the file that imageURI names: sha256:…, sha512:…, or the path or URL of a checksum file such as SHA256SUMS that lists it. ' +
        'Verified while the image is imported; another content is refused. Images of one digest are one volume for all machines of a namespace, whatever their URL. ' +
        'A machine that was made keeps its image until imageURI or a digest that was given changes.',
    ),

  userData: secretText()
    .optional()
    .describe(
      'cloud-init user data, inline, with its header (#cloud-config, #!, …). ${CAPLV_…} variables are filled in. Prefer a bootstrap Secret.',
    ),
  userDataURI: fileURI('/etc/caplv/user-data.yaml')
    .optional()
    .describe(
      'cloud-init user data (text or gzip, ${CAPLV_…} variables are filled in) or a ready NoCloud seed ISO, from a file or URL.',
    ),
  networkConfig: secretText()
    .optional()
    .describe(
      'cloud-init network configuration (YAML text, version 1 or 2, at most 32 KiB), inline. ${CAPLV_…} variables are filled in.',
    ),
  ignition: secretText()
    .optional()
    .describe(
      'Ignition configuration (JSON text), inline, for Fedora CoreOS, Flatcar. ${CAPLV_…} variables are filled in.',
    ),
  ignitionURI: fileURI('/etc/caplv/worker.ign')
    .optional()
    .describe('Ignition configuration from a file or URL. ${CAPLV_…} variables are filled in.'),
  ...machineSshFields(),

  uri: libvirtURI()
    .optional()
    .describe(
      "libvirt URI of the host, for example qemu:///system. Default: the cluster's, else --libvirt-uri.",
    ),
  host: dnsLabel()
    .optional()
    .describe("Name of one of the cluster's hosts. Default: the controller places the machine."),
  failureDomain: dnsLabel()
    .optional()
    .describe(
      "Place the machine on one of the cluster's hosts of this failure domain, or on the host of this name that has none. Counts " +
        'when the machine is made.',
    ),
  pool: libvirtName()
    .optional()
    .describe("Pool for the machine's volumes. Default: the host's pool, else the pool `default`."),
  rootDisk: z
    .strictObject({
      sizeGB: z
        .number()
        .gt(0)
        .max(1_048_576)
        .optional()
        .describe(
          "Size in GB, at least the image's, for example 20. Default: the image's size. A larger size grows the disk in place, under a running guest too; it cannot be made smaller.",
        ),
    })
    .optional()
    .describe('Disk that the machine boots from.'),
  disks: z
    .array(DiskSchema)
    .max(16)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional()
    .describe('Further disks, in the order in which the guest sees them (vdb, vdc, …).'),
  interfaces: z
    .array(InterfaceSchema)
    .max(16)
    .optional()
    .describe(
      "Network interfaces, in order. Default: one in the cluster's network, else the network `default`.",
    ),

  domainType: z
    .enum(['auto', 'kvm', 'qemu'])
    .default('auto')
    .describe(
      'kvm: hardware virtualisation; qemu: emulation, slow; auto: kvm where the host has it, else qemu.',
    ),
  cpu: z
    .strictObject({
      mode: z
        .enum(['host-passthrough', 'host-model', 'maximum'])
        .describe(
          "libvirt's CPU mode. host-passthrough is fastest and needs kvm. maximum slows an emulated guest down: leave cpu out there.",
        ),
    })
    .optional()
    .describe("Virtual CPU. Default: libvirt's."),
  tcg: z
    .strictObject({
      cacheMiB: z
        .int()
        .min(32)
        .max(2048)
        .describe(
          'Size of the cache for translated code, in MiB, for example 2048 for a control plane of Kubernetes and 1024 for a worker. ' +
            'The process on the host may grow by as much, beyond the memory of the guest. QEMU has no more than 2048.',
        ),
    })
    .optional()
    .describe(
      "How QEMU emulates (TCG). Counts where the guest is emulated; on a host with kvm it has no effect. Default: QEMU's. " +
        'A change restarts the guest; its disks stay.',
    ),
  machineType: text(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'a machine type of QEMU, for example q35 or pc', 64)
    .optional()
    .describe("Machine type of QEMU, for example q35 or pc. Default: the host's."),
  firmware: libvirtText(
    new RegExp(String.raw`^(bios|uefi|\/[^${CONTROLS}]+)$`),
    'bios, uefi, or the absolute path of a firmware on the host',
    4096,
  )
    .default('bios')
    .describe(
      'bios, uefi (the firmware that libvirt of the host offers), or the absolute path of a UEFI firmware on the host.',
    ),
  nvramTemplate: libvirtText(
    new RegExp(String.raw`^\/[^${CONTROLS}]+$`),
    'an absolute path on the host, for example /usr/share/OVMF/OVMF_VARS_4M.fd',
    4096,
  )
    .optional()
    .describe('Absolute path, on the host, of the template for UEFI variables. Only with a UEFI firmware.'),
  autostart: z.boolean().default(false).describe('Start the machine when its host starts.'),
  guestAgent: z
    .boolean()
    .default(false)
    .describe(
      'Give the guest a channel for qemu-guest-agent. The addresses of the guest are then also read from the agent.',
    ),
  console: z.boolean().default(true).describe('Give the guest a serial console (`caplv console NAME`).'),
  graphics: z
    .enum(['none', 'vnc', 'spice'])
    .default('none')
    .describe('Graphical console, listening on the loopback address of the host.'),
  running: z
    .boolean()
    .default(true)
    .describe(
      'If false, the machine is defined but not started. The Terraform provider 0.8.3 cannot define a domain without starting it: the guest starts, is powered off a moment later, and may have begun to boot.',
    ),
  shutdownTimeoutSeconds: z
    .int()
    .min(0)
    .max(3600)
    .default(60)
    .describe(
      'How long a guest may take to shut down, in seconds, before it is powered off at delete. 0: power off at once.',
    ),

  terraform: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      'Escape hatch: Terraform JSON that is merged into the stack of the machine last, for example ' +
        '{resource: {libvirt_domain: {machine: {…}}}}. `get` shows it unchanged: put no secrets here.',
    ),
});

/** CEL. */
const NONE_HAS_PREFIX =
  "!has(self.interfaces) || self.interfaces.all(one, !has(one.addresses) || !one.addresses.exists(other, other.contains('/')))";

/** True if the seed of the machine configures the network of the guest. */
function configuresNetwork(
  interfaces: readonly { readonly addresses?: readonly string[] | undefined }[] = [],
): boolean {
  return interfaces.some(({ addresses = [] }) => addresses.some(hasPrefix));
}

export const MACHINE_RULES: readonly Rule<z.output<typeof MachineFields>>[] = [
  {
    fields: ['memoryInGB', 'memoryMiB'],
    message: 'the size of the memory must be given once',
    fix: 'give exactly one of memoryInGB (for example 2) and memoryMiB (for example 2048)',
    cel: 'has(self.memoryInGB) != has(self.memoryMiB)',
    check: ({ memoryInGB, memoryMiB }) => (memoryInGB === undefined) !== (memoryMiB === undefined),
  },
  {
    fields: ['userData', 'userDataURI', 'ignition', 'ignitionURI'],
    message: 'a guest is configured in one way only',
    fix: 'give at most one of userData, userDataURI, ignition and ignitionURI',
    cel: '[has(self.userData), has(self.userDataURI), has(self.ignition), has(self.ignitionURI)].filter(given, given).size() <= 1',
    check: ({ userData, userDataURI, ignition, ignitionURI }) =>
      [userData, userDataURI, ignition, ignitionURI].filter((given) => given !== undefined).length <= 1,
  },
  {
    fields: ['networkConfig', 'ignition', 'ignitionURI'],
    message: 'networkConfig is read by cloud-init, and a guest with Ignition has none',
    fix: 'leave out networkConfig and configure the network in Ignition',
    cel: '!has(self.networkConfig) || !(has(self.ignition) || has(self.ignitionURI))',
    check: ({ networkConfig, ignition, ignitionURI }) =>
      networkConfig === undefined || (ignition ?? ignitionURI) === undefined,
  },
  {
    fields: ['networkConfig', 'interfaces'],
    message: 'networkConfig and addresses with a prefix both configure the network of the guest',
    fix: 'leave out networkConfig; or leave the prefixes out, say addressing: static, and write the addresses in networkConfig',
    cel: `!has(self.networkConfig) || ${NONE_HAS_PREFIX}`,
    check: ({ networkConfig, interfaces }) => networkConfig === undefined || !configuresNetwork(interfaces),
  },
  {
    fields: ['interfaces', 'ignition', 'ignitionURI'],
    message: 'addresses with a prefix are configured by cloud-init, and a guest with Ignition has none',
    fix: 'leave the prefixes out, say addressing: static, and configure the addresses in Ignition',
    cel: `!(has(self.ignition) || has(self.ignitionURI)) || ${NONE_HAS_PREFIX}`,
    check: ({ interfaces, ignition, ignitionURI }) =>
      (ignition ?? ignitionURI) === undefined || !configuresNetwork(interfaces),
  },
  {
    fields: ['ignition'],
    message: 'this is not a JSON object',
    fix: 'give the rendered Ignition configuration (JSON), not Butane YAML',
    cel: "!has(self.ignition) || self.ignition.matches('^\\\\s*[{]')",
    check: ({ ignition }) => ignition === undefined || isJSONObject(ignition),
  },
  {
    fields: ['imageChecksum', 'imageURI'],
    message: 'a volume that the host already has is not imported, and nothing verifies it',
    fix: 'leave out imageChecksum, or name a file or URL in imageURI',
    cel: "!has(self.imageChecksum) || !self.imageURI.startsWith('volume:')",
    check: ({ imageChecksum, imageURI }) => imageChecksum === undefined || !imageURI.startsWith('volume:'),
  },
  {
    fields: ['host', 'uri'],
    message: 'both say where the machine runs',
    fix: "give host (a name in the cluster's hosts) or uri, not both",
    cel: '!(has(self.host) && has(self.uri))',
    check: ({ host, uri }) => host === undefined || uri === undefined,
  },
  {
    fields: ['nvramTemplate', 'firmware'],
    message: 'BIOS has no NVRAM',
    fix: 'add firmware: uefi, or leave out nvramTemplate',
    cel: "!has(self.nvramTemplate) || (has(self.firmware) && self.firmware != 'bios')",
    check: ({ nvramTemplate, firmware }) => nvramTemplate === undefined || firmware !== 'bios',
  },
  {
    fields: ['cpu', 'domainType'],
    message: 'CPU mode host-passthrough needs kvm, and domainType is qemu',
    fix: 'leave cpu out, or use domainType kvm or auto',
    cel: "!(has(self.cpu) && self.cpu.mode == 'host-passthrough' && has(self.domainType) && self.domainType == 'qemu')",
    check: ({ cpu, domainType }) => !(cpu?.mode === 'host-passthrough' && domainType === 'qemu'),
  },
  {
    fields: ['tcg', 'domainType'],
    message: 'tcg is about emulation, and domainType is kvm',
    fix: 'leave tcg out, or use domainType qemu or auto',
    cel: "!(has(self.tcg) && has(self.domainType) && self.domainType == 'kvm')",
    check: ({ tcg, domainType }) => !(tcg !== undefined && domainType === 'kvm'),
  },
  {
    fields: ['disks'],
    message: 'two disks have the same name',
    fix: 'give each disk a name of its own',
    cel: '!has(self.disks) || self.disks.all(one, self.disks.exists_one(other, other.name == one.name))',
    check: ({ disks = [] }) => allDifferent(disks.map(({ name }) => name)),
  },
  {
    fields: ['interfaces'],
    message: 'two interfaces have the same MAC address',
    fix: 'give each interface a MAC address of its own, or leave mac out',
    cel:
      '!has(self.interfaces) || self.interfaces.all(one, !has(one.mac) || ' +
      'self.interfaces.exists_one(other, has(other.mac) && other.mac.lowerAscii() == one.mac.lowerAscii()))',
    check: ({ interfaces = [] }) => allDifferent(interfaces.flatMap(({ mac }) => mac?.toLowerCase() ?? [])),
  },
];

export const LibvirtMachineProviderSpecSchema = withRules(MachineFields, MACHINE_RULES);

/** With defaults, as `machineProviderSpec` returns it. */
export type LibvirtMachineProviderSpec = z.output<typeof LibvirtMachineProviderSpecSchema>;

/** Memory in MiB, whichever way it is given. A fraction of a MiB is rounded up. */
export function memoryMiB(spec: Pick<LibvirtMachineProviderSpec, 'memoryInGB' | 'memoryMiB'>): number {
  return spec.memoryMiB ?? Math.ceil((spec.memoryInGB ?? 0) * 1024);
}

function allDifferent(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

function isJSONObject(json: string): boolean {
  try {
    return isMapping(JSON.parse(json));
  } catch {
    return false;
  }
}
