/** Generates manifests: valid, wrong and malicious ones. */

import fc from 'fast-check';
import { stringify } from 'yaml';
import { ClusterSpecSchema } from '../../src/api/kinds/cluster.ts';
import { LibvirtClusterProviderSpecSchema } from '../../src/api/kinds/cluster-provider-spec.ts';
import { MachineHealthCheckSpecSchema } from '../../src/api/kinds/machine-health-check.ts';
import { LibvirtMachineProviderSpecSchema } from '../../src/api/kinds/machine-provider-spec.ts';
import { MachineSpecSchema } from '../../src/api/kinds/machine-spec.ts';
import { API_VERSION } from '../../src/api/schema/group.ts';
import { structuralSchema } from '../../src/api/schema/structural-schema.ts';
import { hostileText, hostileValue } from './hostile.ts';
import { schemaArbitrary } from './schema-arbitrary.ts';

type Fields = Record<string, unknown>;

const fieldsOf = (schema: Parameters<typeof structuralSchema>[0]) =>
  schemaArbitrary(structuralSchema(schema)) as fc.Arbitrary<Fields>;

/** Only one of fields that exclude each other, so that not all is refused for that alone. */
function oneOf(fields: Fields, names: readonly string[], fallback?: Fields): Fields {
  const [kept, ...others] = names.filter((name) => name in fields);
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !others.includes(name)));
  return kept === undefined ? { ...rest, ...fallback } : rest;
}

const without = (fields: Fields, ...names: readonly string[]) =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));

/** The escape hatch takes any Terraform: what is no valid one is for terraform to refuse. */
const escapeHatch = fc
  .tuple(fc.constantFrom('description', 'emulator', 'arch'), hostileText)
  .map(([argument, text]) => ({
    resource: { libvirt_domain: { machine: { [argument]: text.replace(/[$%]\{/g, '') } } },
  }));

const machineSpec = fc
  .tuple(fieldsOf(LibvirtMachineProviderSpecSchema), fc.boolean(), escapeHatch)
  .map(([written, hatched, terraform]) => {
    let spec = without(written, 'terraform', 'host');
    // Which URIs are refused is for test/libvirt/host-uri to try.
    if ('uri' in spec) spec = { ...spec, uri: 'qemu+ssh://root@rack1.example.com/system' };
    spec = oneOf(spec, ['memoryMiB', 'memoryInGB'], { memoryMiB: 512 });
    spec = oneOf(spec, ['ignition', 'ignitionURI', 'userDataURI', 'userData']);
    if (spec['ignition'] !== undefined) spec = { ...spec, ignition: JSON.stringify({ a: spec['ignition'] }) };
    if ('ignition' in spec || 'ignitionURI' in spec) spec = without(spec, 'networkConfig');
    if ('userData' in spec) spec = { ...spec, userData: `#!/bin/sh\n${spec['userData']}` };
    if ('networkConfig' in spec) {
      spec = { ...spec, networkConfig: JSON.stringify({ version: 2, texts: [spec['networkConfig']] }) };
    }
    if (String(spec['imageURI']).startsWith('volume:')) spec = without(spec, 'imageChecksum');
    for (const field of ['imageURI', 'imageChecksum', 'ignitionURI', 'userDataURI']) {
      if (field in spec) spec = { ...spec, [field]: readableURL(String(spec[field])) };
    }
    spec = withKeys(spec);
    if ((spec['firmware'] ?? 'bios') === 'bios') spec = without(spec, 'nvramTemplate');
    if (spec['domainType'] === 'qemu') spec = without(spec, 'cpu');
    if (spec['domainType'] === 'kvm') spec = without(spec, 'tcg');
    const hasSeed = !['ignition', 'ignitionURI', 'networkConfig'].some((field) => field in spec);
    for (const [list, choice, fallback] of [
      ['disks', ['volume', 'sizeGB'], { sizeGB: 1 }],
      ['interfaces', ['bridge', 'macvtap', 'network'], undefined],
    ] as const) {
      const items = spec[list] as Fields[] | undefined;
      if (items)
        spec = {
          ...spec,
          [list]: items.map((item, index) => alone(oneOf(item, choice, fallback), hasSeed, index)),
        };
    }
    return hatched ? { ...spec, terraform } : spec;
  });

/** Which keys are refused is for test/api to try. A Secret of keys is not there. */
function withKeys(spec: Fields): Fields {
  const key = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'A'.repeat(43)}`;
  const given = without(spec, 'sshAuthorizedKeysSecretName');
  return 'sshAuthorizedKeys' in given && !('ignition' in given)
    ? { ...given, sshAuthorizedKeys: [key] }
    : without(given, 'sshAuthorizedKeys');
}

/** Returns the URL, or one that has its text as the last part of its path if it cannot be read. */
function readableURL(text: string): string {
  const isURL = /^https?:/i.test(text);
  return isURL && !URL.canParse(text)
    ? `https://images.example.com/${encodeURIComponent(text.toWellFormed())}`
    : text;
}

/**
 * An existing volume has no format, a bridge gives out no addresses, and a network keeps one for an interface. Addresses with a prefix
 * need a seed to write them into.
 */
function alone(item: Fields, hasSeed: boolean, index: number): Fields {
  if ('volume' in item) return without(item, 'pool', 'format');
  const isOutside = 'bridge' in item || 'macvtap' in item;
  const nic = unicast(isOutside ? without(item, 'hostname') : item);
  const { addresses, addressing } = nic as { addresses?: string[]; addressing?: string };
  if (hasSeed && addresses?.some((one) => one.includes('/'))) return configured(nic, index);
  const bare = addresses?.filter((one) => !one.includes('/'));
  const given: Fields = { ...without(nic, 'gateway', 'nameservers'), ...(bare && { addresses: bare }) };
  if (addressing === 'static') return bare?.length ? given : without(given, 'addressing', 'addresses');
  if (isOutside || bare === undefined) return without(given, 'addresses');
  return { ...given, addresses: bare.filter((one) => !one.includes(':')).slice(0, 1) };
}

/** Addresses that a guest can have, with a gateway that it reaches. */
function configured(nic: Fields, index: number): Fields {
  const network = `10.17.${index % 250}`;
  return {
    ...without(nic, 'addressing'),
    addresses: [`${network}.10/24`],
    ...('gateway' in nic && { gateway: `${network}.1` }),
  };
}

function unicast(nic: Fields): Fields {
  return typeof nic['mac'] === 'string' ? { ...nic, mac: nic['mac'].replace(/^../, '52') } : nic;
}

const clusterSpec = fieldsOf(LibvirtClusterProviderSpecSchema).map((spec) =>
  withKeys(mapNetworks(oneOf(spec, ['uri', 'hosts']))),
);

/** Networks either as they must be to be made, or as existing ones. */
function mapNetworks(spec: Fields): Fields {
  const network = spec['network'] as Fields | undefined;
  const hosts = spec['hosts'] as Fields[] | undefined;
  const made = network && (network['mode'] === undefined ? { name: network['name'] } : madeNetwork(network));
  return { ...spec, ...(made && { network: made }), ...(hosts && { hosts: hosts.map(mapNetworks) }) };
}

function madeNetwork(network: Fields): Fields {
  if (network['mode'] === 'bridge') return { ...without(network, 'addresses'), bridge: 'br0' };
  return { ...network, addresses: ['10.17.3.0/24'] };
}

const inShape = (spec: fc.Arbitrary<Fields>) =>
  fc.tuple(spec, fc.nat(3)).map(([fields, shape]): Fields => {
    if (shape === 1) return { value: fields };
    if (shape === 2) return { spec: fields };
    return shape === 3 ? { value: { spec: fields } } : fields;
  });

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);

function object(kind: string, spec: fc.Arbitrary<Fields>): fc.Arbitrary<Fields> {
  const metadata = fc.oneof(fc.record({ name }), fc.record({ name, namespace: name }));
  return fc.record({ apiVersion: fc.constant(API_VERSION), kind: fc.constant(kind), metadata, spec });
}

const machine = fc
  .tuple(fieldsOf(MachineSpecSchema), inShape(machineSpec))
  .map(([spec, providerSpec]): Fields => ({ ...without(spec, 'bootstrap', 'configSource'), providerSpec }));

const replicated = machine.map(
  (spec): Fields => ({
    replicas: 1,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec },
  }),
);

export const validObject = fc.oneof(
  { weight: 6, arbitrary: object('Machine', machine) },
  { weight: 1, arbitrary: object('MachineSet', replicated) },
  { weight: 1, arbitrary: object('MachineDeployment', replicated) },
  {
    weight: 2,
    arbitrary: object(
      'Cluster',
      fc
        .tuple(fieldsOf(ClusterSpecSchema), inShape(clusterSpec))
        .map(([spec, providerSpec]): Fields => ({ ...spec, providerSpec })),
    ),
  },
  {
    weight: 1,
    arbitrary: object(
      'MachineHealthCheck',
      fieldsOf(MachineHealthCheckSpecSchema).map((spec) => ({
        ...spec,
        selector: { matchLabels: { a: 'b' } },
      })),
    ),
  },
);

/** Of what is put into the escape hatch, terraform is the judge. */
const unhatched = validObject.map(
  (object) =>
    JSON.parse(JSON.stringify(object, (key, value) => (key === 'terraform' ? undefined : value))) as Fields,
);

const mutation = fc.record({ where: fc.nat(), what: fc.constantFrom('value', 'key'), hostile: hostileValue });

const mutatedObject = fc
  .tuple(unhatched, fc.array(mutation, { minLength: 1, maxLength: 3 }))
  .map(([valid, mutations]) =>
    mutations.reduce<unknown>((value, { where, what, hostile }) => {
      const places = placesIn(value);
      const place = places[where % places.length] ?? [];
      return what === 'key'
        ? putAt(value, [...place.slice(0, -1), String(hostile)], 'x')
        : putAt(value, place, hostile);
    }, valid),
  );

function asText(value: unknown, json: boolean): string {
  try {
    return json ? JSON.stringify(value) : stringify(value, { aliasDuplicateObjects: false });
  } catch (error) {
    // Too deep for the one writer, and not for the other.
    if (error instanceof RangeError) return JSON.stringify(value);
    throw error;
  }
}

/** The text of a manifest. */
export const manifestText: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(validObject, fc.boolean()).map(([one, json]) => asText(one, json)) },
  { weight: 4, arbitrary: fc.tuple(mutatedObject, fc.boolean()).map(([one, json]) => asText(one, json)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(unhatched, hostileText, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(20))
      .map(([one, hostile, at, cut]) => {
        const text = asText(one, false);
        const from = Math.floor(at * text.length);
        return text.slice(0, from) + hostile + text.slice(from + cut);
      }),
  },
  { weight: 1, arbitrary: hostileText },
);

/** Paths of all values in it. */
function placesIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null || path.length > 12) return [path];
  const entries = Object.entries(value).slice(0, 50);
  return [path, ...entries.flatMap(([key, item]) => placesIn(item, [...path, key]))];
}

function putAt(value: unknown, [key, ...path]: readonly string[], put: unknown): unknown {
  if (key === undefined) return put;
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === key ? putAt(item, path, put) : item));
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const others = entries.filter(([name]) => name !== key);
  const before = entries.find(([name]) => name === key)?.[1];
  return Object.fromEntries([...others, [key, putAt(before, path, put)]]);
}
