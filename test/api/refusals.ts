/** Lists objects that caplv refuses before anything runs, and that an API server with the CRDs refuses too. */

import { API_VERSION } from '../../src/api/schema/group.ts';
import { PUBLIC_KEYS } from './public-keys.ts';

export interface Refusal {
  readonly what: string;
  readonly object: Record<string, unknown>;
  /** Path that our error names. */
  readonly path: string;
  /** Part of our message, and of the API server's where it has one of ours. */
  readonly says: string;
  /** Absent: the API server refuses it too, with the same words. `own words`: with its own. `accepts`: it cannot tell. */
  readonly server?: 'own words' | 'accepts';
}

/** The smallest right provider spec. */
export const MINIMAL = { vcpu: 1, memoryMiB: 512, imageURI: '/images/a.qcow2' };

const NIC = { mac: '52:54:00:00:00:01' };

export function machine(providerSpec: Record<string, unknown>, spec: Record<string, unknown> = {}) {
  return {
    apiVersion: API_VERSION,
    kind: 'Machine',
    metadata: { name: 'kube-cp' },
    spec: { ...spec, providerSpec },
  };
}

export function cluster(providerSpec: Record<string, unknown>) {
  return { apiVersion: API_VERSION, kind: 'Cluster', metadata: { name: 'fujisan' }, spec: { providerSpec } };
}

export function machineSet(spec: Record<string, unknown>, providerSpec: Record<string, unknown> = MINIMAL) {
  const template = { metadata: { labels: { set: 'a' } }, spec: { providerSpec } };
  const selector = { matchLabels: { set: 'a' } };
  return {
    apiVersion: API_VERSION,
    kind: 'MachineSet',
    metadata: { name: 'a' },
    spec: { selector, template, ...spec },
  };
}

export function machineDeployment(spec: Record<string, unknown>) {
  return { ...machineSet(spec), kind: 'MachineDeployment' };
}

export function healthCheck(spec: Record<string, unknown>) {
  const selector = { matchLabels: { set: 'a' } };
  return {
    apiVersion: API_VERSION,
    kind: 'MachineHealthCheck',
    metadata: { name: 'a' },
    spec: { selector, ...spec },
  };
}

const { memoryMiB: _, ...WITHOUT_MEMORY } = MINIMAL;
const { vcpu: __, ...WITHOUT_VCPU } = MINIMAL;

const AT = 'spec.providerSpec';
const own = { server: 'own words' } as const;

export const REFUSALS: readonly Refusal[] = [
  // Sizes
  {
    what: 'no CPU',
    object: machine({ ...MINIMAL, vcpu: 0 }),
    path: `${AT}.vcpu`,
    says: '0 is too small',
    ...own,
  },
  {
    what: 'half a CPU',
    object: machine({ ...MINIMAL, vcpu: 1.5 }),
    path: `${AT}.vcpu`,
    says: 'a whole number',
    ...own,
  },
  {
    what: 'CPUs as text',
    object: machine({ ...MINIMAL, vcpu: '2' }),
    path: `${AT}.vcpu`,
    says: 'without quotes',
    ...own,
  },
  { what: 'vcpu left out', object: machine(WITHOUT_VCPU), path: `${AT}.vcpu`, says: 'missing', ...own },
  {
    what: 'no memory',
    object: machine({ ...MINIMAL, memoryMiB: 0 }),
    path: `${AT}.memoryMiB`,
    says: '0 is too small',
    ...own,
  },
  {
    what: 'memory given twice',
    object: machine({ ...MINIMAL, memoryInGB: 2 }),
    path: `${AT}.memoryInGB`,
    says: 'give exactly one of memoryInGB',
  },
  {
    what: 'memory left out',
    object: machine(WITHOUT_MEMORY),
    path: `${AT}.memoryInGB`,
    says: 'give exactly one of memoryInGB',
  },
  // Guest configuration
  {
    what: 'user data twice',
    object: machine({ ...MINIMAL, userData: '#cloud-config', userDataURI: '/a' }),
    path: `${AT}.userData`,
    says: 'give at most one of userData',
  },
  {
    what: 'cloud-init and Ignition',
    object: machine({ ...MINIMAL, userData: '#cloud-config', ignition: '{}' }),
    path: `${AT}.userData`,
    says: 'give at most one of userData',
  },
  {
    what: 'network configuration for a guest without cloud-init',
    object: machine({ ...MINIMAL, networkConfig: 'version: 2', ignition: '{}' }),
    path: `${AT}.networkConfig`,
    says: 'leave out networkConfig',
  },
  {
    what: 'Ignition that is no JSON',
    object: machine({ ...MINIMAL, ignition: 'variant: fcos' }),
    path: `${AT}.ignition`,
    says: 'not Butane YAML',
  },
  {
    what: 'bootstrap Secret and user data',
    object: machine({ ...MINIMAL, userData: '#cloud-config' }, { bootstrap: { dataSecretName: 'a' } }),
    path: 'spec.bootstrap',
    says: 'give bootstrap.dataSecretName',
  },
  {
    what: 'a hidden value applied as if it were the secret',
    object: machine({ ...MINIMAL, userData: '(hidden, 12 bytes)' }),
    path: `${AT}.userData`,
    says: 'put the value itself here',
  },
  {
    what: 'an image over FTP',
    object: machine({ ...MINIMAL, imageURI: 'ftp://example.com/a.qcow2' }),
    path: `${AT}.imageURI`,
    says: 'volume:POOL/NAME',
    ...own,
  },
  // Place
  {
    what: 'host and URI',
    object: machine({ ...MINIMAL, host: 'rack1', uri: 'qemu:///system' }),
    path: `${AT}.host`,
    says: 'both say where the machine runs',
  },
  {
    what: 'a digest of an algorithm that nothing verifies',
    object: machine({ ...MINIMAL, imageChecksum: `md5:${'0'.repeat(32)}` }),
    path: `${AT}.imageChecksum`,
    says: 'sha256: or sha512:',
    ...own,
  },
  {
    what: 'a digest that is cut off',
    object: machine({ ...MINIMAL, imageChecksum: `sha256:${'0'.repeat(63)}` }),
    path: `${AT}.imageChecksum`,
    says: 'sha256: or sha512:',
    ...own,
  },
  {
    what: 'a digest of a volume that is there',
    object: machine({
      ...MINIMAL,
      imageURI: 'volume:default/a.qcow2',
      imageChecksum: `sha256:${'0'.repeat(64)}`,
    }),
    path: `${AT}.imageChecksum`,
    says: 'leave out imageChecksum',
  },
  ...['imageURI', 'imageChecksum', 'userDataURI', 'ignitionURI'].map((field) => ({
    what: `a password in the URL of ${field}`,
    object: machine({ ...MINIMAL, [field]: 'https://user:s3cret@images.example.com/a' }),
    path: `${AT}.${field}`,
    says: 'a URL must not hold a user or password',
  })),
  {
    what: 'a password with an @ in a URI',
    object: machine({ ...MINIMAL, uri: 'qemu+tcp://root:pass@word@host/system' }),
    path: `${AT}.uri`,
    says: 'must not hold a password',
  },
  {
    what: 'a password in a URI',
    object: machine({ ...MINIMAL, uri: 'qemu+ssh://root:hunter2@rack1/system' }),
    path: `${AT}.uri`,
    says: 'must not hold a password',
  },
  {
    what: 'a URI that is none of libvirt',
    object: machine({ ...MINIMAL, uri: 'https://rack1' }),
    path: `${AT}.uri`,
    says: 'a libvirt URI',
    ...own,
  },
  {
    what: 'a URI with what no URI has',
    object: machine({ ...MINIMAL, uri: 'qemu:///system?socket=/${a}' }),
    path: `${AT}.uri`,
    says: 'a libvirt URI',
    ...own,
  },
  // Texts that would not arrive as they are
  {
    what: 'a control character in the path of a file',
    object: machine({ ...MINIMAL, imageURI: '/images/\u001b[31m' }),
    path: `${AT}.imageURI`,
    says: 'an absolute path',
    ...own,
  },
  {
    what: 'a control character in an identity, which tables show',
    object: machine(MINIMAL, { providerID: 'libvirt:///\u001b[2J' }),
    path: 'spec.providerID',
    says: 'leave it to the controller',
    ...own,
  },
  {
    what: 'a NUL in the path of a firmware',
    object: machine({ ...MINIMAL, firmware: '/a\0b' }),
    path: `${AT}.firmware`,
    says: 'absolute path of a firmware',
    ...own,
  },
  {
    what: 'a tab in the name of a volume',
    object: machine({ ...MINIMAL, disks: [{ name: 'a', volume: 'default/a\tb' }] }),
    path: `${AT}.disks[0].volume`,
    says: 'POOL/NAME',
    ...own,
  },
  {
    what: 'an image volume whose name begins with a NUL',
    object: machine({ ...MINIMAL, imageURI: 'volume:default/\0a' }),
    path: `${AT}.imageURI`,
    says: 'volume:POOL/NAME',
    ...own,
  },
  {
    what: 'a character that XML lacks',
    object: machine({ ...MINIMAL, firmware: '/a\uffff' }),
    path: `${AT}.firmware`,
    says: 'read this as another text',
  },
  {
    what: 'a volume whose name Terraform would change',
    object: machine({ ...MINIMAL, disks: [{ name: 'a', volume: 'default/e\u0301' }] }),
    path: `${AT}.disks[0].volume`,
    says: 'as one character each',
    server: 'accepts',
  },
  {
    what: 'an image volume whose name Terraform would change',
    object: machine({ ...MINIMAL, imageURI: 'volume:default/e\u0301' }),
    path: `${AT}.imageURI`,
    says: 'as one character each',
    server: 'accepts',
  },
  {
    what: 'an option of QEMU in the path of a pool',
    object: cluster({ pool: { name: 'a', path: '/pools/a,file=/etc/shadow,name=' } }),
    path: `${AT}.pool.path`,
    says: 'without commas',
    ...own,
  },
  // Disks
  {
    what: 'a disk both new and existing',
    object: machine({ ...MINIMAL, disks: [{ name: 'a', sizeGB: 1, volume: 'default/a' }] }),
    path: `${AT}.disks[0].sizeGB`,
    says: 'give exactly one of sizeGB and volume',
  },
  {
    what: 'a disk neither new nor existing',
    object: machine({ ...MINIMAL, disks: [{ name: 'a' }] }),
    path: `${AT}.disks[0].sizeGB`,
    says: 'give exactly one of sizeGB and volume',
  },
  {
    what: 'a format for an existing disk',
    object: machine({ ...MINIMAL, disks: [{ name: 'a', volume: 'default/a', format: 'raw' }] }),
    path: `${AT}.disks[0].volume`,
    says: 'leave out pool and format',
  },
  {
    what: 'two disks of one name',
    object: machine({
      ...MINIMAL,
      disks: [
        { name: 'a', sizeGB: 1 },
        { name: 'a', sizeGB: 2 },
      ],
    }),
    path: `${AT}.disks`,
    says: 'two disks have the same name',
    ...own,
  },
  // Interfaces
  {
    what: 'an interface plugged into two things',
    object: machine({ ...MINIMAL, interfaces: [{ network: 'default', bridge: 'br0' }] }),
    path: `${AT}.interfaces[0].network`,
    says: 'plugs into one thing only',
  },
  {
    what: 'fixed addresses on a bridge',
    object: machine({ ...MINIMAL, interfaces: [{ bridge: 'br0', addresses: ['192.0.2.1'] }] }),
    path: `${AT}.interfaces[0].addresses`,
    says: 'given out by a network of libvirt',
  },
  {
    what: 'two fixed addresses of one interface, of which libvirt would keep the last',
    object: machine({ ...MINIMAL, interfaces: [{ addresses: ['192.0.2.1', '192.0.2.2'] }] }),
    path: `${AT}.interfaces[0].addresses`,
    says: 'libvirt keeps one IPv4 address for an interface',
  },
  {
    what: 'a fixed IPv6 address, which libvirt cannot keep for a MAC',
    object: machine({ ...MINIMAL, interfaces: [{ addresses: ['2001:db8::1'] }] }),
    path: `${AT}.interfaces[0].addresses`,
    says: 'cannot keep an IPv6 address',
  },
  {
    what: 'static addresses that are not there',
    object: machine({ ...MINIMAL, interfaces: [{ bridge: 'br0', addressing: 'static' }] }),
    path: `${AT}.interfaces[0].addressing`,
    says: 'static addresses must be given',
  },
  {
    what: 'a host name on a bridge with static addresses',
    object: machine({
      ...MINIMAL,
      interfaces: [{ bridge: 'br0', hostname: 'a', addressing: 'static', addresses: ['192.0.2.1'] }],
    }),
    path: `${AT}.interfaces[0].addresses`,
    says: 'given out by a network of libvirt',
  },
  {
    what: 'addresses with and without prefix on one interface',
    object: machine({
      ...MINIMAL,
      interfaces: [{ bridge: 'br0', addresses: ['192.0.2.1/24', '192.0.2.2'] }],
    }),
    path: `${AT}.interfaces[0].addresses`,
    says: 'give all of them a prefix',
  },
  {
    what: 'an address with a prefix that DHCP is to give out',
    object: machine({ ...MINIMAL, interfaces: [{ addressing: 'dhcp', addresses: ['192.0.2.1/24'] }] }),
    path: `${AT}.interfaces[0].addressing`,
    says: 'no DHCP server gives it out',
  },
  {
    what: 'a gateway outside of the network of the addresses',
    object: machine({
      ...MINIMAL,
      interfaces: [{ bridge: 'br0', addresses: ['192.0.2.1/24', '2001:db8::1/64'], gateway: '192.0.3.1' }],
    }),
    path: `${AT}.interfaces[0].gateway`,
    says: 'in the network of none of the addresses',
  },
  {
    what: 'a gateway for an address that a network reserves',
    object: machine({ ...MINIMAL, interfaces: [{ addresses: ['192.0.2.10'], gateway: '192.0.2.1' }] }),
    path: `${AT}.interfaces[0].gateway`,
    says: 'give addresses with their prefix',
  },
  {
    what: 'name servers of an interface that asks for a lease',
    object: machine({ ...MINIMAL, interfaces: [{ nameservers: ['192.0.2.1'] }] }),
    path: `${AT}.interfaces[0].nameservers`,
    says: 'DHCP gives out name servers of its own',
  },
  {
    what: 'a public key with options',
    object: machine({ ...MINIMAL, sshAuthorizedKeys: [`no-pty ${PUBLIC_KEYS.ed25519}`] }),
    path: `${AT}.sshAuthorizedKeys[0]`,
    says: 'without options',
    server: 'own words',
  },
  {
    what: 'a private key in place of a public one',
    object: machine({
      ...MINIMAL,
      sshAuthorizedKeys: [`-----BEGIN OPENSSH PRIVATE KEY-----\n${'A'.repeat(70)}`],
    }),
    path: `${AT}.sshAuthorizedKeys[0]`,
    says: 'the line of a public key file',
    server: 'own words',
  },
  {
    what: 'a public key of which the end is missing',
    object: machine({
      ...MINIMAL,
      sshAuthorizedKeys: [PUBLIC_KEYS.rsa, PUBLIC_KEYS.ecdsa.split(' ').slice(0, 2).join(' ').slice(0, -3)],
    }),
    path: `${AT}.sshAuthorizedKeys[1]`,
    says: 'copy the whole line',
  },
  {
    what: 'a public key in a Cluster that is another one than it says',
    object: cluster({ sshAuthorizedKeys: [PUBLIC_KEYS.ed25519.replace('ssh-ed25519', 'ssh-rsa')] }),
    path: `${AT}.sshAuthorizedKeys[0]`,
    says: 'its type is another one than it says',
    server: 'accepts',
  },
  {
    what: 'a user that ssh would take for an option',
    object: machine({ ...MINIMAL, sshUser: '-oProxyCommand=x' }),
    path: `${AT}.sshUser`,
    says: 'a user name, for example debian',
    server: 'own words',
  },
  {
    what: 'addresses with a prefix beside a networkConfig',
    object: machine({
      ...MINIMAL,
      networkConfig: 'version: 2',
      interfaces: [{ bridge: 'br0', addresses: ['192.0.2.1/24'] }],
    }),
    path: `${AT}.networkConfig`,
    says: 'both configure the network of the guest',
  },
  {
    what: 'addresses with a prefix for a guest with Ignition',
    object: machine({
      ...MINIMAL,
      ignition: '{"ignition":{"version":"3.4.0"}}',
      interfaces: [{ bridge: 'br0', addresses: ['192.0.2.1/24'] }],
    }),
    path: `${AT}.interfaces`,
    says: 'configured by cloud-init',
  },
  ...['192.0.2.1/33', '192.0.2.1/', '2001:db8::1/129'].map((address) => ({
    what: `the prefix of ${address}`,
    object: machine({ ...MINIMAL, interfaces: [{ bridge: 'br0', addresses: [address] }] }),
    path: `${AT}.interfaces[0].addresses[0]`,
    says: 'this is not an IP address',
  })),
  ...[
    '0.0.0.0/8',
    '127.0.0.5/8',
    '224.0.0.1/24',
    '255.255.255.255/32',
    '192.0.2.1/0',
    '::1/128',
    'ff02::1/64',
  ].map((address) => ({
    what: `${address}, which no guest can have`,
    object: machine({ ...MINIMAL, interfaces: [{ bridge: 'br0', addresses: [address] }] }),
    path: `${AT}.interfaces[0].addresses[0]`,
    says: 'no interface of a guest can have this address',
  })),
  {
    what: 'an address that is none',
    object: machine({ ...MINIMAL, interfaces: [{ addresses: ['192.0.2.256'] }] }),
    path: `${AT}.interfaces[0].addresses[0]`,
    says: 'this is not an IP address',
  },
  {
    what: 'a MAC address that is none',
    object: machine({ ...MINIMAL, interfaces: [{ mac: '52:54:00' }] }),
    path: `${AT}.interfaces[0].mac`,
    says: 'a MAC address, for example',
    ...own,
  },
  {
    what: 'a multicast MAC address',
    object: machine({ ...MINIMAL, interfaces: [{ mac: '01:00:5e:00:00:01' }] }),
    path: `${AT}.interfaces[0].mac`,
    says: 'this is a multicast address',
  },
  {
    what: 'one MAC address in two spellings',
    object: machine({ ...MINIMAL, interfaces: [{ mac: '52:54:00:aa:00:01' }, { mac: '52:54:00:AA:00:01' }] }),
    path: `${AT}.interfaces`,
    says: 'two interfaces have the same MAC address',
  },
  // Virtual hardware
  {
    what: 'NVRAM for a BIOS',
    object: machine({ ...MINIMAL, nvramTemplate: '/usr/share/OVMF/OVMF_VARS.fd' }),
    path: `${AT}.nvramTemplate`,
    says: 'BIOS has no NVRAM',
  },
  {
    what: 'the CPU of the host in an emulator',
    object: machine({ ...MINIMAL, domainType: 'qemu', cpu: { mode: 'host-passthrough' } }),
    path: `${AT}.cpu`,
    says: 'needs kvm',
  },
  {
    what: 'a cache for emulation without emulation',
    object: machine({ ...MINIMAL, domainType: 'kvm', tcg: { cacheMiB: 1024 } }),
    path: `${AT}.tcg`,
    says: 'tcg is about emulation',
  },
  {
    what: 'a larger cache for translated code than QEMU has',
    object: machine({ ...MINIMAL, tcg: { cacheMiB: 4096 } }),
    path: `${AT}.tcg.cacheMiB`,
    says: '4096 is too large',
    ...own,
  },
  {
    what: 'a domain type that is none',
    object: machine({ ...MINIMAL, domainType: 'kwm' }),
    path: `${AT}.domainType`,
    says: 'did you mean kvm?',
    ...own,
  },
  // Shapes
  {
    what: 'a mistake under value',
    object: machine({ value: { ...MINIMAL, vcpu: 0 } }),
    path: `${AT}.value.vcpu`,
    says: '0 is too small',
    ...own,
  },
  {
    what: 'a combination under value',
    object: machine({ value: { ...MINIMAL, memoryInGB: 2 } }),
    path: `${AT}.value.memoryInGB`,
    says: 'give exactly one of memoryInGB',
  },
  {
    what: 'a mistake under an inner spec, which only the controller looks into',
    object: machine({ value: { spec: { ...MINIMAL, vcpu: 0 } } }),
    path: `${AT}.value.spec.vcpu`,
    says: '0 is too small',
    server: 'accepts',
  },
  {
    what: 'fields inline and under value',
    object: machine({ vcpu: 2, value: MINIMAL }),
    path: `${AT}.vcpu`,
    says: 'move it into `value`',
    ...own,
  },
  {
    what: 'an unknown field',
    object: machine({ ...MINIMAL, memory: 2 }),
    path: `${AT}.memory`,
    says: 'did you mean memoryInGB?',
    ...own,
  },
  {
    what: 'pools of addresses, which LibvirtMachines alone have',
    object: machine({
      ...MINIMAL,
      interfaces: [{ addressesFromPools: [{ apiGroup: 'a.b', kind: 'Pool', name: 'a' }] }],
    }),
    path: `${AT}.interfaces[0].addressesFromPools`,
    says: 'did you mean',
    ...own,
  },
  // Machine
  {
    what: 'a name too long for a host name',
    object: { ...machine(MINIMAL), metadata: { name: 'a'.repeat(64) } },
    path: 'metadata.name',
    says: 'at most 63',
    ...own,
  },
  {
    what: 'a name in capitals',
    object: { ...machine(MINIMAL), metadata: { name: 'Kube-CP' } },
    path: 'metadata.name',
    says: 'lower-case letters',
    ...own,
  },
  {
    what: 'a version with two numbers',
    object: machine(MINIMAL, { versions: { kubelet: '1.15' } }),
    path: 'spec.versions.kubelet',
    says: 'for example 1.15.0',
    ...own,
  },
  // Cluster
  {
    what: 'hosts and URI',
    object: cluster({ uri: 'qemu:///system', hosts: [{ name: 'a', uri: 'qemu:///system' }] }),
    path: `${AT}.hosts`,
    says: 'give uri for one host',
  },
  {
    what: 'two hosts at one URI',
    object: cluster({
      hosts: [
        { name: 'a', uri: 'qemu:///system' },
        { name: 'b', uri: 'qemu:///system' },
      ],
    }),
    path: `${AT}.hosts`,
    says: 'list each host once',
  },
  {
    what: 'addresses for a network that must exist',
    object: cluster({ network: { name: 'a', addresses: ['10.0.0.0/24'] } }),
    path: `${AT}.network.mode`,
    says: 'add mode',
  },
  {
    what: 'a NAT network without addresses',
    object: cluster({ network: { name: 'a', mode: 'nat' } }),
    path: `${AT}.network.addresses`,
    says: 'give addresses',
  },
  {
    what: 'a network in mode bridge without a bridge',
    object: cluster({ network: { name: 'a', mode: 'bridge' } }),
    path: `${AT}.network.bridge`,
    says: 'give bridge',
  },
  {
    what: 'two IPv4 networks in one',
    object: cluster({ network: { name: 'a', mode: 'nat', addresses: ['10.0.0.0/24', '10.0.1.0/24'] } }),
    path: `${AT}.network.addresses`,
    says: 'at most one IPv4',
  },
  {
    what: 'a network that is no CIDR',
    object: cluster({ network: { name: 'a', mode: 'nat', addresses: ['10.0.0.0/33'] } }),
    path: `${AT}.network.addresses[0]`,
    says: 'ADDRESS/PREFIX',
  },
  // Sets and deployments
  {
    what: 'a selector for everything',
    object: machineSet({ selector: {} }),
    path: 'spec.selector',
    says: 'the selector is empty',
  },
  {
    what: 'a selector that misses its template',
    object: machineSet({ selector: { matchLabels: { set: 'b' } } }),
    path: 'spec.template',
    says: 'does not select the labels of the template',
  },
  {
    what: 'one MAC address for two machines',
    object: machineSet({ replicas: 2 }, { ...MINIMAL, interfaces: [NIC] }),
    path: 'spec.template',
    says: 'fixes what only one machine can have',
  },
  {
    what: 'one MAC address for two machines, under value',
    object: machineSet({ replicas: 2 }, { value: { ...MINIMAL, interfaces: [NIC] } }),
    path: 'spec.template',
    says: 'fixes what only one machine can have',
  },
  {
    what: 'one existing volume for two machines',
    object: machineSet(
      { replicas: 2 },
      { ...MINIMAL, disks: [{ name: 'd', volume: 'default/shared.qcow2' }] },
    ),
    path: 'spec.template',
    says: 'fixes what only one machine can have',
  },
  {
    what: 'a rollout that can never move',
    object: machineDeployment({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } }),
    path: 'spec.strategy.rollingUpdate.maxSurge',
    says: 'no machine could ever be replaced',
  },
  {
    what: 'a pace for OnDelete',
    object: machineDeployment({ strategy: { type: 'OnDelete', rollingUpdate: {} } }),
    path: 'spec.strategy.rollingUpdate',
    says: 'has no effect with strategy OnDelete',
  },
  {
    what: 'a pace that is no number',
    object: machineDeployment({ strategy: { rollingUpdate: { maxSurge: 'some' } } }),
    path: 'spec.strategy.rollingUpdate.maxSurge',
    says: 'a number of machines or a percentage',
  },
  // Health checks
  {
    what: 'a health check of everything',
    object: healthCheck({ selector: {} }),
    path: 'spec.selector',
    says: 'the selector is empty',
  },
  {
    what: 'a limit that is no duration',
    object: healthCheck({ unhealthyConditions: [{ type: 'Ready', status: 'Unknown', timeout: '5 min' }] }),
    path: 'spec.unhealthyConditions[0].timeout',
    says: 'a duration',
    server: 'own words',
  },
  {
    what: 'a status that conditions do not have',
    object: healthCheck({ unhealthyConditions: [{ type: 'Ready', status: 'Maybe', timeout: '5m' }] }),
    path: 'spec.unhealthyConditions[0].status',
    says: 'Unknown',
    server: 'own words',
  },
  {
    what: 'a share of more than all',
    object: healthCheck({ maxUnhealthy: '140%' }),
    path: 'spec.maxUnhealthy',
    says: 'a number of machines or a percentage',
  },
  {
    what: 'a number of machines below none',
    object: healthCheck({ maxUnhealthy: -1 }),
    path: 'spec.maxUnhealthy',
    says: 'use at least 0',
    server: 'own words',
  },
];
