/** Verifies how domain definitions and states are read. */

import { expect, test } from 'vitest';
import { parseDomain, parseState } from '../../src/libvirt/domain.ts';
import { fixture } from './fixture.ts';

test('a running guest is read with everything that an adopter or drift check compares', () => {
  expect(parseDomain(fixture('dumpxml-running.xml'))).toEqual({
    name: 'default-web-0',
    uuid: '0b1f6c52-0000-4000-8000-000000000001',
    // The ownership mark: an entity read wrongly would make us deny our own machine.
    description: 'caplv.io machine=default/web-0 uid=6f1d <1> & more',
    type: 'qemu',
    vcpu: 2,
    memoryMiB: 128,
    interfaces: [
      { mac: '52:54:00:aa:00:11', type: 'network', network: 'default', bridge: 'virbr0', target: 'vnet2' },
      { mac: '52:54:00:aa:00:12', type: 'bridge', bridge: 'virbr0', target: 'vnet3' },
    ],
    disks: [
      { device: 'disk', target: 'vda', source: '/tmp/lvs/img/g1.qcow2' },
      { device: 'disk', target: 'vdb', pool: 'p1', volume: 'data.qcow2' },
      { device: 'cdrom', target: 'sda', source: '/tmp/lvs/img/seed.iso' },
    ],
    console: '/dev/pts/0',
    guestAgent: 'disconnected',
  });
});

test('a guest that is off has no console, taps or agent, and names its macvtap device', () => {
  const domain = parseDomain(fixture('dumpxml-shutoff.xml'));
  expect(domain.console).toBeUndefined();
  expect(domain.guestAgent).toBeUndefined();
  expect(domain.interfaces.map(({ target }) => target)).toEqual([undefined, undefined, undefined]);
  expect(domain.interfaces[2]).toEqual({ mac: '52:54:00:bb:00:13', type: 'direct', device: 'dum0' });
});

test('a name of digits stays a name', () => {
  expect(parseDomain("<domain type='kvm'><name>007</name><devices/></domain>").name).toBe('007');
});

test('a domain without devices or description is no error', () => {
  expect(parseDomain("<domain type='kvm'><name>x</name></domain>")).toMatchObject({
    description: '',
    interfaces: [],
    disks: [],
  });
});

test.each([
  ['running (booted)\n\n', { state: 'running', reason: 'booted' }],
  ['shut off (destroyed)', { state: 'shutoff', reason: 'destroyed' }],
  ['in shutdown (user)', { state: 'shutting-down', reason: 'user' }],
  ['paused (I/O error)', { state: 'paused', reason: 'I/O error' }],
  ['crashed (panicked)', { state: 'crashed', reason: 'panicked' }],
  ['shut off', { state: 'shutoff', reason: '' }],
  ['something new (why)', { state: 'unknown', reason: 'why' }],
])('domstate %j', (text, expected) => {
  expect(parseState(text)).toEqual(expected);
});
