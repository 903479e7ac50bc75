/** Verifies that a machine that its host cannot run is refused before anything runs. */

import { expect, it } from 'vitest';
import { requireHostSupport, type SupportRequest } from '../../src/intent/host-support.ts';

const AT = 'spec.providerSpec';
const DISK = { name: 'data', volume: 'default/data.qcow2' };
const PATH = '/pool/data.qcow2';
const guest = (state: string, disk: object, name = 'default.other') => ({ name, state, disks: [disk] });

interface World {
  readonly machines?: readonly string[];
  readonly devices?: readonly string[] | undefined;
  readonly domains?: readonly object[];
  readonly network?: object;
  readonly graphics?: readonly string[];
  readonly domainType?: 'kvm' | 'qemu';
}

function check(spec: object, world: World): Promise<void> {
  const { machines = [], devices, domains = [], network, graphics = [], domainType = 'qemu' } = world;
  return requireHostSupport({
    spec,
    site: { uri: 'qemu:///system', network: network ?? { name: 'default' } },
    domain: 'default.me',
    domainType,
    path: AT,
    libvirt: {
      domainTypes: async () => ({ machines, graphics }),
      devices: async () => devices && ((name: string) => devices.includes(name)),
      domains: async () => domains,
      volume: async () => ({ path: PATH }),
    },
  } as unknown as SupportRequest);
}

it.each([
  [
    'a machine type of a newer QEMU',
    { machineType: 'pc-q35-99.9' },
    { machines: ['pc-q35-7.2', 'q35', 'pc', 'pc-q35-10.0'] },
    {
      code: 'InvalidConfiguration',
      path: `${AT}.machineType`,
      fix: expect.stringContaining('(pc-q35-10.0, pc-q35-7.2, q35, pc, …)'),
    },
  ],
  [
    'the CPU of a host without kvm',
    { cpu: { mode: 'host-passthrough' } },
    {},
    { code: 'InvalidConfiguration', path: `${AT}.cpu.mode` },
  ],
  [
    'a console that QEMU was built without',
    { graphics: 'spice' },
    { graphics: ['vnc'] },
    { code: 'InvalidConfiguration', path: `${AT}.graphics`, fix: 'use vnc or none' },
  ],
  [
    'a bridge that is not there',
    { interfaces: [{ network: 'default' }, { bridge: 'br9' }] },
    { devices: ['br0'] },
    {
      code: 'NetworkNotFound',
      path: `${AT}.interfaces[1].bridge`,
      message: expect.stringContaining('"br9"'),
    },
  ],
  [
    'a device that is not there',
    { interfaces: [{ macvtap: 'eth9' }] },
    { devices: ['eth0'] },
    { code: 'NetworkNotFound', path: `${AT}.interfaces[0].macvtap` },
  ],
  [
    'a network of the Cluster on a bridge that is not there',
    {},
    { devices: ['eth0'], network: { name: 'lan', mode: 'bridge', bridge: 'br0' } },
    { code: 'NetworkNotFound', path: `${AT}.interfaces[0].network` },
  ],
  [
    'a volume that a guest runs on, by its path',
    { disks: [{ name: 'new' }, DISK] },
    { domains: [guest('running', { source: PATH })] },
    { name: 'TransientError', code: 'NotOwned', path: `${AT}.disks[1].volume` },
  ],
  [
    'a volume that a paused guest has, by its name',
    { disks: [DISK] },
    { domains: [guest('paused', { pool: 'default', volume: 'data.qcow2' })] },
    { name: 'TransientError', code: 'NotOwned', message: expect.stringContaining('"default.other"') },
  ],
])('%s is refused before anything runs', async (_, spec, world, error) => {
  await expect(check(spec, world)).rejects.toMatchObject(error);
});

it.each([
  ['a machine type that it has', { machineType: 'q35' }, { machines: ['q35'] }],
  ['the CPU of a host with kvm', { cpu: { mode: 'host-passthrough' } }, { domainType: 'kvm' }],
  ['a console that QEMU has', { graphics: 'vnc' }, { graphics: ['vnc'] }],
  ['no console', { graphics: 'none' }, { graphics: [] }],
  ['a machine type on a host that lists none', { machineType: 'q35' }, {}],
  ['a bridge that is there', { interfaces: [{ bridge: 'br0' }] }, { devices: ['br0'] }],
  ['a bridge on a host that cannot tell', { interfaces: [{ bridge: 'br0' }] }, {}],
  ['a volume of a guest that is off', { disks: [DISK] }, { domains: [guest('shutoff', { source: PATH })] }],
  [
    'a volume that the machine itself runs on',
    { disks: [DISK] },
    { domains: [guest('running', { source: PATH }, 'default.me')] },
  ],
  [
    'another network than the one on a bridge',
    { interfaces: [{ network: 'other' }] },
    { devices: [], network: { name: 'lan', mode: 'bridge', bridge: 'br0' } },
  ],
])('%s is accepted', async (_, spec, world) => {
  await check(spec, world as World);
});
