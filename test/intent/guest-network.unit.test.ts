/** Verifies the network configuration that a guest reads from its seed. */

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type GuestNetworkRequest, withGuestNetwork } from '../../src/intent/guest-network.ts';
import type { SeedIntent } from '../../src/intent/hosted-intent.ts';
import { CloudInitSeed } from '../../src/intent/seed/cloud-init-seed.ts';

const MACS = ['52:00:00:00:00:01', '52:00:00:00:00:02', '52:00:00:00:00:03'];
const seed = new CloudInitSeed('seed.iso', 'default', { userData: '#cloud-config\n', metaData: '{}\n' });

type Interfaces = NonNullable<GuestNetworkRequest['spec']['interfaces']>;

function request(interfaces: Interfaces): GuestNetworkRequest {
  return {
    spec: { interfaces },
    interfaces: interfaces.map((_, index) => ({
      kind: 'bridge',
      bridge: 'br0',
      assignedMac: MACS[index] ?? '',
    })),
    path: 'spec.providerSpec',
  };
}

function ethernets(...args: Parameters<typeof request>): unknown {
  const made = withGuestNetwork(seed, request(...args));
  const { version, ...rest } = parse((made.kind === 'cloudinit' && made.networkConfig) || '{}');
  return version === undefined ? undefined : { version, ...rest }.ethernets;
}

describe('the network configuration of a guest', () => {
  it.each<[string, Interfaces]>([
    ['without interfaces', []],
    ['that asks for leases', [{}, { network: 'default' }]],
    ['whose address the network reserves', [{ addresses: ['192.168.122.10'] }]],
    [
      'that configures its addresses itself',
      [{ bridge: 'br0', addressing: 'static', addresses: ['10.0.0.5'] }],
    ],
  ])('is left to the guest %s', (_, interfaces) => {
    expect(withGuestNetwork(seed, request(interfaces))).toBe(seed);
  });

  it.each<[string, Interfaces, unknown]>([
    [
      'has address, gateway and name servers of an interface',
      [
        {
          bridge: 'br0',
          addresses: ['10.0.0.5/24'],
          gateway: '10.0.0.1',
          nameservers: ['10.0.0.2', 'fd00::2'],
        },
      ],
      {
        interface0: {
          match: { macaddress: MACS[0] },
          dhcp4: false,
          addresses: ['10.0.0.5/24'],
          gateway4: '10.0.0.1',
          nameservers: { addresses: ['10.0.0.2', 'fd00::2'] },
        },
      },
    ],
    [
      'has no gateway unless one is given, and several addresses',
      [{ bridge: 'br0', addresses: ['10.0.0.5/24', 'fd00::5/64'] }],
      {
        interface0: {
          match: { macaddress: MACS[0] },
          dhcp4: false,
          addresses: ['10.0.0.5/24', 'fd00::5/64'],
        },
      },
    ],
    [
      'lets the other interfaces ask for leases, but those that the guest configures itself',
      [
        { bridge: 'br0', addresses: ['fd00::5/64'], gateway: 'fe80::1' },
        { network: 'default' },
        { bridge: 'br1', addressing: 'static', addresses: ['10.0.0.5'] },
      ],
      {
        interface0: {
          match: { macaddress: MACS[0] },
          dhcp4: false,
          addresses: ['fd00::5/64'],
          gateway6: 'fe80::1',
        },
        interface1: { match: { macaddress: MACS[1] }, dhcp4: true },
      },
    ],
  ])('%s', (_, interfaces, expected) => {
    expect(ethernets(interfaces)).toEqual(expected);
  });

  it('has a default route of each family through the first gateway that pools gave', () => {
    const interfaces = [
      { bridge: 'br0', addresses: ['10.0.0.5/24', 'fd00::5/64'], nameservers: ['10.0.0.2'] },
      { bridge: 'br1', addresses: ['10.1.0.5/24'] },
    ];
    const claimed = [
      { interface: 0, claim: 'web-0-0', address: '10.0.0.5/24', gateway: '10.0.0.1' },
      { interface: 0, claim: 'web-0-1', address: 'fd00::5/64', gateway: 'fd00::1' },
      { interface: 1, claim: 'web-1-0', address: '10.1.0.5/24', gateway: '10.1.0.1' },
    ];
    const made = withGuestNetwork(seed, { ...request(interfaces), claimed });
    expect(parse((made.kind === 'cloudinit' && made.networkConfig) || '').ethernets).toEqual({
      interface0: {
        match: { macaddress: MACS[0] },
        dhcp4: false,
        addresses: ['10.0.0.5/24', 'fd00::5/64'],
        gateway4: '10.0.0.1',
        gateway6: 'fd00::1',
        nameservers: { addresses: ['10.0.0.2'] },
      },
      interface1: { match: { macaddress: MACS[1] }, dhcp4: false, addresses: ['10.1.0.5/24'] },
    });
  });

  it('has the MAC as text, though its digits with colons are a number to YAML 1.1', () => {
    const { interfaces, ...rest } = request([{ bridge: 'br0', addresses: ['10.0.0.5/24'] }]);
    const digits = interfaces.map((nic) => ({ ...nic, mac: '52:54:00:12:34:56' }));
    const made = withGuestNetwork(seed, { ...rest, interfaces: digits });
    expect(made).toMatchObject({ networkConfig: expect.stringContaining('"52:54:00:12:34:56"') });
  });

  const fixed = request([{}, { bridge: 'br0', addresses: ['10.0.0.5/24'] }]);
  it.each<[string, SeedIntent, GuestNetworkRequest, string, RegExp]>([
    [
      'Ignition data',
      { kind: 'ignition', volume: 'seed.ign', pool: 'default', content: '{}' },
      fixed,
      'spec.providerSpec.interfaces[1]',
      /Ignition/,
    ],
    [
      'a ready seed ISO',
      { kind: 'iso', volume: 'seed.iso', pool: 'default', source: '/seed.iso' },
      fixed,
      'spec.providerSpec.interfaces[1]',
      /ISO/,
    ],
    [
      'a networkConfig beside it',
      seed.withNetworkConfig('version: 2'),
      fixed,
      'spec.providerSpec.networkConfig',
      /both configure/,
    ],
    [
      'an interface without a known MAC',
      seed,
      { ...fixed, interfaces: [] },
      'spec.providerSpec.interfaces[0].mac',
      /not known/,
    ],
  ])('is refused for %s', (_, data, asked, path, says) => {
    expect(() => withGuestNetwork(data, asked)).toThrow(
      expect.objectContaining({ code: 'InvalidConfiguration', path, message: expect.stringMatching(says) }),
    );
  });
});
