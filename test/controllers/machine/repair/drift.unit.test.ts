/** Verifies which differences of a domain are drift, and how they are repaired. */

import { describe, expect, it } from 'vitest';
import { visibleDrift } from '../../../../src/controllers/machine/repair/drift.ts';
import type { PlacedMachine } from '../../../../src/controllers/machine/scope/placed-machine.ts';
import type { DomainObservation } from '../../../../src/libvirt/domain.ts';

const mac = '52:54:00:00:00:01';

function placed(spec: object = {}): PlacedMachine {
  return {
    machine: { metadata: { name: 'web', namespace: 'default' }, spec: {} },
    identity: { namespace: 'default', name: 'web', uid: 'u' },
    spec: {
      vcpu: 2,
      memoryMiB: 96,
      running: true,
      autostart: false,
      interfaces: [{ network: 'lan', mac }],
      ...spec,
    },
    site: { uri: 'qemu:///system', pool: 'default', network: 'lan' },
  } as unknown as PlacedMachine;
}

function observed(change: Partial<DomainObservation> = {}): DomainObservation {
  return {
    name: 'default.web',
    uuid: 'x',
    state: 'running',
    reason: 'booted',
    description: '',
    type: 'kvm',
    vcpu: 2,
    memoryMiB: 96,
    autostart: false,
    persistent: true,
    interfaces: [{ mac, type: 'network', network: 'lan' }],
    disks: [{ device: 'disk', target: 'vda' }],
    addresses: [],
    ...change,
  };
}

it('a domain that is as specified has no drift', () => {
  expect(visibleDrift(placed(), observed())).toBeUndefined();
});

it('a missing domain is lost', () => {
  expect(visibleDrift(placed(), undefined)).toMatchObject({ kind: 'lost' });
});

describe.each([
  ['shutoff', 'stopped'],
  ['crashed', 'stopped'],
  ['paused', 'paused'],
  ['pmsuspended', 'paused'],
] as const)('a domain that is %s', (state, kind) => {
  it(`has drift of the kind ${kind} when it should run`, () => {
    expect(visibleDrift(placed(), observed({ state, reason: 'io error' }))).toMatchObject({
      kind,
      detail: `the domain is ${state} (io error)`,
    });
  });
});

it('a domain that runs and should not run is to be stopped', () => {
  expect(visibleDrift(placed({ running: false }), observed())).toMatchObject({ kind: 'stopped' });
  expect(visibleDrift(placed({ running: false }), observed({ state: 'shutoff' }))).toBeUndefined();
});

const CHANGES: readonly [string, Partial<DomainObservation>, boolean][] = [
  ['autostart', { autostart: true }, false],
  ['vCPUs', { vcpu: 4 }, true],
  ['memory', { memoryMiB: 128 }, true],
  ['a network', { interfaces: [{ mac, type: 'network', network: 'other' }] }, true],
  ['a MAC address', { interfaces: [{ mac: '52:54:00:00:00:02', type: 'network', network: 'lan' }] }, true],
  ['an interface more', { interfaces: [...observed().interfaces, ...observed().interfaces] }, true],
  ['a disk less', { disks: [] }, true],
];

describe.each(CHANGES)('a domain with another value of %s', (_what, change, replacesDomain) => {
  it(`is changed, and ${replacesDomain ? 'needs a new domain' : 'is mended in place'}`, () => {
    expect(visibleDrift(placed(), observed(change))).toMatchObject({ kind: 'changed', replacesDomain });
  });
});

it('devices that the Terraform of the user may have changed are not compared', () => {
  const drift = visibleDrift(placed({ terraform: {} }), observed({ disks: [], interfaces: [] }));
  expect(drift).toBeUndefined();
});
