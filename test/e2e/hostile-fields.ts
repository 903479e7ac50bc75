/** Lists the fields of manifests that do not accept arbitrary text. */

import type { ManifestObject } from './manifests.ts';

const SPEC = 'spec.providerSpec';

const MACHINE_FIELDS: readonly string[] = [
  'metadata.labels.a',
  'spec.clusterName',
  'spec.metadata.labels.a',
  'spec.taints[0].effect',
  'spec.versions.kubelet',
  'spec.versions.controlPlane',
  'spec.bootstrap.dataSecretName',
  'spec.repair',
  ...[
    'vcpu',
    'memoryMiB',
    'ignition',
    'uri',
    'host',
    'pool',
    'rootDisk.sizeGB',
    'disks[0].name',
    'disks[0].pool',
    'disks[0].format',
    'disks[0].volume',
    'interfaces[0].network',
    'interfaces[0].bridge',
    'interfaces[0].macvtap',
    'interfaces[0].mac',
    'interfaces[0].addresses[0]',
    'interfaces[0].hostname',
    'domainType',
    'cpu.mode',
    'tcg.cacheMiB',
    'machineType',
    'firmware',
    'nvramTemplate',
    'graphics',
    'running',
  ].map((field) => `${SPEC}.${field}`),
];

const CLUSTER_FIELDS: readonly string[] = [
  'metadata.name',
  'spec.clusterNetwork.pods.cidrBlocks[0]',
  'spec.clusterNetwork.services.cidrBlocks[0]',
  'spec.clusterNetwork.serviceDomain',
  ...[
    'uri',
    'network.name',
    'network.mode',
    'network.addresses[0]',
    'network.bridge',
    'network.domain',
    'pool.name',
    'pool.path',
    'hosts[0].name',
    'hosts[0].uri',
    'hosts[0].network.name',
    'hosts[0].pool.path',
    'hosts[0].failureDomain',
  ].map((field) => `${SPEC}.${field}`),
];

/** Anything but controls: names of files, relative to the manifest, and an identity. */
const SHOWN = [
  'spec.providerID',
  ...['imageURI', 'userDataURI', 'ignitionURI'].map((field) => `${SPEC}.${field}`),
];

/** Paths, by kind. */
export const CLOSED_FIELDS: Readonly<Record<string, readonly string[]>> = {
  Machine: ['metadata.name', 'metadata.namespace', ...MACHINE_FIELDS, ...SHOWN],
  Cluster: CLUSTER_FIELDS,
  MachineSet: [
    'metadata.name',
    'spec.deletePolicy',
    ...MACHINE_FIELDS.map((path) => `spec.template.${path}`),
  ],
};

const PROVIDER_SPEC = {
  vcpu: 1,
  memoryMiB: 64,
  imageURI: '/a',
  disks: [{ name: 'a', sizeGB: 1 }],
};

/** A right object of the kind, but for that one field. */
export function withText(kind: string, path: string, text: string): ManifestObject {
  const keys = path.match(/[^.[\]]+/g) ?? [];
  return put(baseOf(kind, path), keys, text) as ManifestObject;
}

function baseOf(kind: string, path: string): ManifestObject {
  const base = { apiVersion: 'cluster-api.k8s.io/v1alpha1', kind, metadata: { name: 'a' } };
  if (kind === 'Cluster') {
    const hosts = [{ name: 'a', uri: 'qemu:///system', pool: { name: 'a' } }];
    const network = { name: 'a', mode: 'nat', addresses: ['10.0.0.0/24'] };
    const providerSpec = path.includes('hosts') ? { hosts } : { network, pool: { name: 'a', path: '/a' } };
    return { ...base, spec: { providerSpec } };
  }
  const spec = {
    ...(path.includes('taints') ? { taints: [{ key: 'a', effect: 'NoSchedule' }] } : {}),
    ...(path.includes('versions') ? { versions: { kubelet: '1.15.0' } } : {}),
    providerSpec: PROVIDER_SPEC,
  };
  if (kind === 'Machine') return { ...base, spec };
  const template = { metadata: { labels: { set: 'a' } }, spec };
  return { ...base, spec: { selector: { matchLabels: { set: 'a' } }, template } };
}

/** A copy with `value` at the path; what is missing on the way is made. */
function put(target: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  if (/^\d+$/.test(key)) return [put((target as unknown[] | undefined)?.[Number(key)], rest, value)];
  const fields = (target ?? {}) as Record<string, unknown>;
  return { ...fields, [key]: put(fields[key], rest, value) };
}

/** Those that are wrong in the field, and none so long that a manifest of all is too large. */
export function refusedTexts(path: string, texts: readonly string[]): string[] {
  const wrong = SHOWN.includes(path) ? CONTROL : /[^A-Za-z0-9]/;
  return texts.filter((text) => wrong.test(text)).map((text) => text.slice(0, 300));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
export const CONTROL = /[\x00-\x1f\x7f-\x9f]/;
