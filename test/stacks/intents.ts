/** Provides intents of machines and hosts for tests. */

import { type AllowedHost, allowHost } from '../../src/system/allowed-host.ts';
import type { HostIntent, MachineIntent } from '../../stacks/intent.ts';

const uri = allowHost('qemu:///system');

/** Both of what an actuator and of what a stack is given. */
type Machine = MachineIntent & { readonly uri: AllowedHost };

/** All that a machine must have, and nothing else. */
export const minimalMachine: Machine = {
  namespace: 'default',
  name: 'small',
  uid: '5e6a1f2c-0000-4000-8000-000000000001',
  uri,
  domain: {
    name: 'default.small',
    description: 'caplv machine default/small',
    type: 'qemu',
    vcpu: 1,
    memoryMiB: 128,
    autostart: false,
    guestAgent: false,
    console: false,
    running: true,
  },
  rootDisk: { volume: 'default.small.root', pool: 'default', base: { pool: 'default', volume: 'base' } },
  disks: [],
  interfaces: [],
};

/** Seeds that a template engine, a shell or a quoting mistake would change. */
export const awkward =
  'a: "${file("/etc/passwd")} %{ if true }yes%{ endif } $${x} ${TfToken[TOKEN.7]}"\nb: \'\\n\\"\'\n';

/** With a secret in its Terraform JSON. */
export const ignitionMachine: Machine = {
  ...minimalMachine,
  seed: {
    kind: 'ignition',
    volume: 'default.small.ign',
    pool: 'default',
    content: JSON.stringify({ ignition: { version: '3.4.0' }, token: awkward }),
  },
};

/** Each feature once. */
export const richMachine: Machine = {
  namespace: 'prod',
  name: 'kube-cp',
  uid: '5e6a1f2c-0000-4000-8000-000000000002',
  uri,
  domain: {
    name: 'prod.kube-cp',
    description: 'caplv machine prod/kube-cp ${not.a.template}',
    type: 'kvm',
    vcpu: 2,
    memoryMiB: 2048,
    cpuMode: 'host-passthrough',
    machine: 'q35',
    firmware: '/usr/share/OVMF/OVMF_CODE.fd',
    nvramTemplate: '/usr/share/OVMF/OVMF_VARS.fd',
    autostart: true,
    guestAgent: true,
    console: true,
    graphics: 'vnc',
    running: true,
  },
  rootDisk: {
    volume: 'prod.kube-cp.root',
    pool: 'fast',
    sizeBytes: 20 * 1024 ** 3,
    base: { pool: 'images', volume: 'debian-12.qcow2' },
  },
  disks: [
    {
      kind: 'new',
      name: 'etcd',
      volume: 'prod.kube-cp.etcd',
      pool: 'fast',
      sizeBytes: 1024 ** 3,
      format: 'raw',
    },
    { kind: 'existing', name: 'data', volumeKey: '/var/lib/libvirt/images/data.qcow2' },
    {
      kind: 'new',
      name: 'a.b_c',
      volume: 'prod.kube-cp.abc',
      pool: 'slow',
      sizeBytes: 1024 ** 3,
      format: 'qcow2',
    },
  ],
  seed: { kind: 'iso', volume: 'prod.kube-cp.seed-0123', pool: 'fast', source: '/run/seeds/100%#1.iso' },
  interfaces: [
    {
      kind: 'network',
      network: 'default',
      mac: '52:54:00:ab:cd:01',
      addresses: ['192.168.122.10'],
      hostname: 'kube-cp',
    },
    { kind: 'bridge', bridge: 'br0', mac: '52:54:00:ab:cd:02' },
    { kind: 'macvtap', device: 'eth0' },
  ],
  terraform: { resource: { libvirt_domain: { machine: { video: { type: 'qxl' } } } } },
};

export const host: HostIntent = {
  uri,
  networks: [
    {
      name: 'cluster',
      mode: 'nat',
      addresses: ['10.17.3.0/24'],
      bridge: 'virbr17',
      domain: 'cluster.local',
      dhcp: true,
      mtu: 1450,
      autostart: true,
    },
    { name: 'lan', mode: 'bridge', addresses: [], bridge: 'br0', dhcp: false, autostart: false },
  ],
  pools: [{ name: 'images', path: '/var/lib/libvirt/images' }],
  images: [
    { volume: 'debian-12.qcow2', pool: 'images', source: 'https://example.org/debian-12.qcow2' },
    { volume: 'small.qcow2', pool: 'default', source: '/srv/small.qcow2' },
  ],
};
