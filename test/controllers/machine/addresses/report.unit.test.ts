/** Verifies which addresses make a guest reachable, and what its condition says without them. */

import { describe, expect, test } from 'vitest';
import { guestAddresses, missingAddresses } from '../../../../src/controllers/machine/addresses/report.ts';
import type { PlacedMachine } from '../../../../src/controllers/machine/scope/placed-machine.ts';

const MAC = '52:00:00:00:00:01';
const nic = { mac: MAC, type: 'network', network: 'lan' };
const onBridge = { interfaces: [{ mac: MAC, type: 'bridge', bridge: 'br0' }] };

function placed(interfaces: readonly object[] | undefined, more: object = {}): PlacedMachine {
  return {
    identity: { namespace: 'default', name: 'web', uid: 'a' },
    spec: { interfaces, guestAgent: false, running: true, ...more },
    site: { name: undefined, uri: 'u', network: { name: 'lan' }, pool: { name: 'p' } },
  } as unknown as PlacedMachine;
}

function seen(addresses: readonly string[], more: object = {}) {
  return {
    interfaces: [nic],
    addresses: addresses.map((address) => ({
      mac: MAC,
      address,
      prefix: 24,
      family: 'ipv4' as const,
      source: 'lease' as const,
    })),
    ...more,
  };
}

describe('a guest', () => {
  test('with an address is reachable', () => {
    expect(missingAddresses(placed(undefined), seen(['192.168.122.7']))).toBeUndefined();
  });

  test('with a fixed address is not reachable at another address', () => {
    const machine = placed([{ addresses: ['192.168.122.10'] }]);
    expect(missingAddresses(machine, seen(['192.168.122.7']))).toMatch(
      /interface 0 has 192\.168\.122\.7 and not its fixed address 192\.168\.122\.10/,
    );
    expect(missingAddresses(machine, seen([]))).toMatch(
      /no lease of its fixed address 192\.168\.122\.10 yet/,
    );
    expect(missingAddresses(machine, seen(['192.168.122.10']))).toBeUndefined();
  });

  test('is reachable at the addresses that its spec says it configures itself', () => {
    const machine = placed([{ bridge: 'br0', addressing: 'static', addresses: ['10.0.0.5', 'fd00::5'] }]);
    const found = seen([], onBridge);
    expect(guestAddresses(machine, found)).toEqual(['10.0.0.5', 'fd00::5']);
    expect(missingAddresses(machine, found)).toBeUndefined();
  });

  test('is reachable at the addresses that its seed configures', () => {
    const machine = placed([{ bridge: 'br0', addresses: ['10.0.0.5/24', 'fd00::7/64'] }]);
    const found = seen([], onBridge);
    expect(guestAddresses(machine, found)).toEqual(['10.0.0.5', 'fd00::7']);
    expect(missingAddresses(machine, found)).toBeUndefined();
  });

  const withAgent = { guestAgent: true };
  test.each([
    ['on a bridge', placed([{ bridge: 'br0' }]), onBridge, /is on br0, where libvirt gives out no addresses/],
    ['without an agent', placed([{ bridge: 'br0' }]), onBridge, /set guestAgent .* or .* with their prefix/],
    ['in a network', placed(undefined), {}, /interface 0 \(52:.*\) has no DHCP lease of network lan/],
    [
      'whose agent is silent',
      placed(undefined, withAgent),
      { guestAgent: 'disconnected' },
      /does not answer/,
    ],
    ['whose agent has none', placed(undefined, withAgent), { guestAgent: 'connected' }, /names none either/],
    ['without an interface', placed([]), { interfaces: [] }, /no network interface/],
  ])('%s whose address is not known says what is missing', (_, machine, more, message) => {
    expect(missingAddresses(machine, seen([], more))).toMatch(message);
  });
});
