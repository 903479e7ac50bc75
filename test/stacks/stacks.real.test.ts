/** Verifies the stacks with plain terraform and real guests. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeSeed } from '../../src/actuator/machine/seed-file.ts';
import type { MachineIntent } from '../../src/intent/hosted-intent.ts';
import { CloudInitSeed } from '../../src/intent/seed/cloud-init-seed.ts';
import type { InterfaceIntent } from '../../stacks/intent.ts';
import type { JsonObject } from '../../stacks/json.ts';
import { synthHost, synthMachine } from '../../stacks/synth.ts';
import { GuestConsole } from '../lab/guest-console.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { awkward, minimalMachine } from './intents.ts';
import { TerraformDirectory } from './terraform-directory.ts';

let lab: Lab;
let host: LibvirtHost;
let seeds: string;

beforeAll(async () => {
  lab = await Lab.up({ name: 'test-stacks' });
  const [first] = lab.hosts;
  if (!first) throw new Error('the lab has no host');
  host = first;
  seeds = await mkdtemp(join(tmpdir(), 'seeds-'));
  await virsh('vol-create-as', 'default', 'base', '1M', '--format', 'qcow2');
  await virsh('vol-upload', 'base', lab.imagePath, '--pool', 'default');
});

afterAll(async () => {
  await lab?.down();
  await rm(seeds, { recursive: true });
});

async function virsh(...args: string[]): Promise<string> {
  return (await execa('virsh', ['-c', host.uri, ...args])).stdout;
}

interface Changes extends Partial<Omit<MachineIntent, 'domain'>> {
  readonly domain?: Partial<MachineIntent['domain']>;
}

/** The minimal machine on the lab's host, changed. */
async function stack(name: string, changes: Changes): Promise<JsonObject> {
  const machine = {
    ...minimalMachine,
    uri: host.uri,
    rootDisk: { volume: `${name}.root`, pool: 'default', base: { pool: 'default', volume: 'base' } },
    ...changes,
    domain: { ...minimalMachine.domain, name, ...changes.domain },
  };
  return synthMachine(await writeSeed(machine, seeds), { kind: 'implicit' });
}

function cloudinit(name: string, userData: string): MachineIntent['seed'] {
  return new CloudInitSeed(`${name}.seed`, 'default', { userData, metaData: 'instance-id: i\n' });
}

/** What the guest says on its console once it has its addresses. */
async function ready(name: string): Promise<string> {
  const console = await GuestConsole.open(host.uri, name);
  try {
    return (await console.waitFor(/caplv-guest ready: .*\n/))[0];
  } finally {
    await console.close();
  }
}

const fixed: InterfaceIntent = {
  kind: 'network',
  network: 'default',
  mac: '52:54:00:ab:cd:02',
  addresses: ['192.168.122.77'],
  hostname: 'bee',
};

test('a q35 guest reads its seed and gets its fixed address, and a plan says no changes before and after', async () => {
  const json = await stack('q35', {
    domain: { console: true, machine: 'q35', cpuMode: 'host-model', guestAgent: true, graphics: 'vnc' },
    seed: cloudinit('q35', 'hostname: bee\n'),
    interfaces: [fixed],
  });
  const directory = await TerraformDirectory.create(json);
  await directory.apply();
  const [said, changes] = await Promise.all([ready('q35'), directory.changes()]);
  expect(said).toContain('caplv-guest ready: bee 192.168.122.77');
  expect(changes).toEqual([]);
  expect(await directory.changes()).toEqual([]);
});

test('a plan tells what a change really takes', async () => {
  await virsh('vol-create-as', 'default', 'kept', '1M', '--format', 'raw');
  const existing = { kind: 'existing', name: 'kept', volumeKey: `${host.poolPath}/kept` } as const;
  const made = {
    kind: 'new',
    name: 'made',
    volume: 'plan.made',
    pool: 'default',
    sizeBytes: 1024 ** 2,
    format: 'raw',
  } as const;
  const before: Changes = {
    domain: { machine: 'pc-i440fx-7.2', cpuMode: 'maximum', console: true },
    seed: cloudinit('plan', awkward),
    disks: [made, existing],
    interfaces: [
      { kind: 'network', network: 'default' },
      { kind: 'bridge', bridge: 'virbr0', mac: '52:54:00:00:00:01' },
    ],
  };
  const directory = await TerraformDirectory.create(await stack('plan', before));
  await directory.apply();
  const takes = async (changes: Changes) => {
    const after = { ...before, ...changes, domain: { ...before.domain, ...changes.domain } };
    await directory.write(await stack('plan', after));
    return directory.changes();
  };
  const domain = 'libvirt_domain.machine replace';
  const shape = 'terraform_data.shape replace';
  expect(await takes({})).toEqual([]);
  expect(await takes({ domain: { autostart: true } })).toEqual(['libvirt_domain.machine update']);
  expect(await takes({ domain: { vcpu: 2 } })).toEqual([domain]);
  expect(await takes({ domain: { cpuMode: 'qemu64' } })).toEqual([shape, domain]);
  expect(await takes({ domain: { machine: 'q35' } })).toEqual([shape, domain]);
  expect(
    await takes({
      interfaces: [
        { kind: 'network', network: 'default' },
        { kind: 'bridge', bridge: 'virbr1', mac: '52:54:00:00:00:01' },
      ],
    }),
  ).toEqual([shape, domain]);
  expect(await takes({ disks: [existing, made] })).toEqual([shape, domain]);
  expect(await takes({ seed: cloudinit('plan', 'hostname: other\n') })).toEqual([
    'libvirt_volume.seed replace',
    'libvirt_volume.root replace',
    domain,
  ]);
  await directory.run('destroy', '-auto-approve');
  expect(await virsh('vol-list', 'default')).toContain('kept');
  expect(await virsh('vol-list', 'default')).not.toContain('plan.');
});

test('a MAC address that is written down after the provider has chosen it replaces nothing, and stays with a new domain', async () => {
  const nic = { kind: 'network', network: 'default' } as const;
  const directory = await TerraformDirectory.create(await stack('mac', { interfaces: [nic] }));
  await directory.apply();
  const macOf = async () => /[0-9a-f]{2}(:[0-9a-f]{2}){5}/.exec(await virsh('domiflist', 'mac'))?.[0] ?? '';
  const assignedMac = await macOf();
  const kept = { interfaces: [{ ...nic, assignedMac }] };
  await directory.write(await stack('mac', kept));
  expect(await directory.changes()).toEqual([]);
  await directory.write(await stack('mac', { ...kept, domain: { vcpu: 2 } }));
  expect(await directory.changes()).toEqual(['libvirt_domain.machine replace']);
  await directory.apply();
  expect(await macOf()).toBe(assignedMac);
});

test('no output of Terraform shows an Ignition token', async () => {
  const content = (token: string) => JSON.stringify({ ignition: { version: '3.4.0' }, token });
  const ignition = (token: string) =>
    stack('ign', { seed: { kind: 'ignition', volume: 'ign', pool: 'default', content: content(token) } });
  const directory = await TerraformDirectory.create(await ignition(`planted-1 ${awkward}`));
  const output = [await directory.run('plan'), await directory.apply('-json')];
  expect(await readFile(join(host.poolPath, 'ign'), 'utf8')).toBe(content(`planted-1 ${awkward}`));
  await directory.write(await ignition('planted-2'));
  output.push(
    await directory.run('plan', '-json'),
    await directory.run('plan'),
    await directory.run('output'),
  );
  expect(output.join('\n')).not.toContain('planted');
});

test('an Ignition guest finds its instance id and name in the tables of its firmware, and its plan has no changes', async () => {
  const identity = { instanceId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed', hostname: 'flatcar-1' };
  const content = JSON.stringify({ ignition: { version: '3.4.0' } });
  const seed = { kind: 'ignition', volume: 'ign-id', pool: 'default', content, identity } as const;
  const directory = await TerraformDirectory.create(await stack('ign-id', { seed }));
  await directory.apply();
  expect(await directory.changes()).toEqual([]);
  const xml = await virsh('dumpxml', 'ign-id');
  expect(xml).toContain("<smbios mode='sysinfo'/>");
  expect(xml).toContain(`<entry name='serial'>${identity.instanceId}</entry>`);
  expect(xml).toContain(`<entry name='sku'>${identity.hostname}</entry>`);
});

test('another translation cache of the emulator takes another domain, of the same disk, and reads back as it was asked for', async () => {
  const seed = cloudinit('tcg', '#!/bin/sh\n');
  const machineOf = (domain: Changes['domain']) =>
    stack('tcg', { seed, domain: { machine: 'q35', ...domain } });
  const directory = await TerraformDirectory.create(await machineOf({}));
  await directory.apply();
  await directory.write(await machineOf({ tcgCacheMiB: 64 }));
  expect(await directory.changes()).toEqual(['libvirt_domain.machine replace']);
  await directory.apply();
  const kib = (xml: string) => /<tb-cache unit='KiB'>(\d+)</.exec(xml)?.[1];
  expect(kib(await virsh('dumpxml', 'tcg'))).toBe(String(64 * 1024));
  expect(await directory.changes()).toEqual([]);
});

test('what the machines of a host share reads back as it was asked for', async () => {
  const network = { addresses: [], dhcp: false, autostart: true };
  const directory = await TerraformDirectory.create(
    synthHost(
      {
        uri: host.uri,
        networks: [
          {
            ...network,
            name: 'a.nat',
            mode: 'nat',
            addresses: ['10.17.3.0/24'],
            dhcp: true,
            domain: 'c.local',
            mtu: 1450,
          },
          {
            ...network,
            name: 'a.none',
            mode: 'none',
            addresses: ['10.18.3.0/24', 'fd00:18::/64'],
            autostart: false,
          },
          { ...network, name: 'a.route', mode: 'route', addresses: ['10.19.3.0/24'] },
          { ...network, name: 'a.bridge', mode: 'bridge', bridge: 'virbr0' },
        ],
        pools: [{ name: 'shared', path: join(host.directory, 'shared') }],
        images: [{ volume: 'guest', pool: 'shared', source: lab.imagePath }],
      },
      { kind: 'implicit' },
    ),
  );
  await directory.apply();
  expect(await directory.changes()).toEqual([]);
});
