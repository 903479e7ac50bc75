/** Verifies that assigned MAC addresses are stable and unique. */

import { describe, expect, test } from 'vitest';
import { withObservedMacs } from '../../src/controllers/machine/addresses/observed-macs.ts';
import type { MachineIntent } from '../../src/intent/hosted-intent.ts';
import { assignMacs, deriveMac, type MacRequest } from '../../src/intent/mac.ts';
import { intentHash, interfacesOf } from '../../src/intent/machine-intent.ts';
import { hostAt } from '../lab/host-uri.ts';

const SITE = {
  name: undefined,
  uri: hostAt('qemu:///system'),
  network: { name: 'default' },
  pool: { name: 'default' },
  failureDomain: undefined,
};
const PINNED = {
  uri: SITE.uri,
  domainType: 'qemu',
  imageURI: '/i',
  base: { pool: 'default', volume: 'b' },
} as const;

function macs(request: Partial<MacRequest> & { name?: string; uid?: string } = {}): string[] {
  const { name = 'm', uid = 'a' } = request;
  return assignMacs({
    machine: { namespace: 'default', name, uid },
    installation: 'i',
    spec: {},
    site: SITE,
    pinned: undefined,
    ...request,
  });
}

describe('the MAC addresses of a machine whose author gives none', () => {
  test('are the same when it is deleted and made again', () => {
    expect(macs({ uid: 'b' })).toEqual(macs({ uid: 'a' }));
  });

  test('are locally administered unicast addresses', () => {
    expect(macs()[0]).toMatch(/^52(:[0-9a-f]{2}){5}$/);
  });

  test('differ between 50,000 machines, behind the first byte too, which libvirt replaces on its side', () => {
    const all = Array.from({ length: 50_000 }, (_, i) => deriveMac('i', `default/m-${i}`, '0').slice(3));
    expect(new Set(all).size).toBe(all.length);
  });

  test.each([
    ['names', macs({ name: 'n' })],
    ['installations, whose hosts may share a bridge', macs({ installation: 'j' })],
    ['namespaces', macs({ machine: { namespace: 'prod', name: 'm', uid: 'a' } })],
  ])('differ between %s', (_, others) => {
    expect(others).not.toEqual(macs());
  });

  test('differ between the interfaces of a machine', () => {
    expect(new Set(macs({ spec: { interfaces: [{}, {}, {}] } })).size).toBe(3);
  });

  test('go with a fixed address to the machine that has it next, since a lease of the other MAC would block it', () => {
    const spec = { interfaces: [{ addresses: ['192.168.122.10'] }] };
    expect(macs({ spec, name: 'next' })).toEqual(macs({ spec }));
    expect(macs({ spec })).not.toEqual(macs());
  });

  test('give way to those that are asked for or were assigned before', () => {
    const spec = { interfaces: [{ mac: '52:54:00:AA:00:01' }, {}, {}] };
    const pinned = { ...PINNED, macs: ['52:00:00:00:00:01', '52:00:00:00:00:02'] };
    expect(macs({ spec, pinned })).toEqual([
      '52:54:00:aa:00:01',
      '52:00:00:00:00:02',
      macs({ spec: { interfaces: [{}, {}, {}] } })[2],
    ]);
  });
});

describe('a machine that was made before MAC addresses were assigned', () => {
  const machine = { namespace: 'default', name: 'm', uid: 'a' };
  const intent = (given: readonly string[] | undefined, terraform?: object) =>
    ({
      interfaces: interfacesOf(machine, { interfaces: [{}, { mac: '52:54:00:aa:00:01' }] }, SITE, given),
      ...(terraform && { terraform }),
    }) as unknown as MachineIntent;
  const domain = (...seen: string[]) => ({
    interfaces: seen.map((mac) => ({ mac, type: 'network', network: 'default' })),
  });

  test('keeps the one that the provider chose, and counts as unchanged', () => {
    const before = { intent: intent(undefined), pinned: PINNED };
    const { intent: after, pinned } = withObservedMacs(
      before,
      domain('52:54:00:11:11:11', '52:54:00:aa:00:01'),
    );
    expect(pinned.macs).toEqual(['52:54:00:11:11:11', '52:54:00:aa:00:01']);
    expect(after.interfaces).toMatchObject([
      { assignedMac: '52:54:00:11:11:11' },
      { mac: '52:54:00:aa:00:01' },
    ]);
    expect(intentHash(after)).toBe(intentHash(before.intent));
  });

  test.each([
    ['its domain is gone', intent(undefined), PINNED, undefined],
    ['its domain has other interfaces', intent(undefined), PINNED, domain('52:54:00:11:11:11')],
    ['terraform may have changed their order', intent(undefined, {}), PINNED, domain('a', 'b')],
    ['it has its own', intent(['a']), { ...PINNED, macs: ['a'] }, domain('b', 'c')],
  ])('stays as it is when %s', (_, given, pinned, observed) => {
    const before = { intent: given, pinned };
    expect(withObservedMacs(before, observed)).toBe(before);
  });
});
