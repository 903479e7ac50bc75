/** Lists changes that a person may make to a machine outside of Terraform, with virsh or another tool of libvirt. */

import type { DriftWorld } from './drift-world.ts';

export interface OutOfBandChange {
  readonly name: string;
  /** Whether the guest runs. */
  readonly guest: 'on' | 'off';
  /** Only of machines with a data disk. */
  readonly needsDisk?: boolean;
  /** Returns what takes the change back; undefined: nothing does, and the machine is not used again. */
  readonly make: (world: DriftWorld, machine: string) => Promise<(() => Promise<unknown>) | undefined>;
}

type Edit = (xml: string) => string;

/** Defines a change of a domain's definition, as `virsh edit` makes it. */
function edited(name: string, edit: Edit, more: Partial<OutOfBandChange> = {}): OutOfBandChange {
  const make = async (world: DriftWorld, machine: string) => {
    const before = await world.xml(machine);
    const after = edit(before);
    if (after === before) throw new Error(`${name}: the definition has nothing to change`);
    await world.define(after);
    return () => world.define(before);
  };
  return { name, guest: 'off', make, ...more };
}

function commanded(
  name: string,
  guest: OutOfBandChange['guest'],
  command: (domain: string) => readonly string[],
  back?: (domain: string) => readonly string[],
): OutOfBandChange {
  const make = async (world: DriftWorld, machine: string) => {
    await world.virsh(...command(`default.${machine}`));
    return back && (() => world.virsh(...back(`default.${machine}`)));
  };
  return { name, guest, make };
}

function volumeDeleted(what: string, more: Partial<OutOfBandChange> = {}): OutOfBandChange {
  const make = async (world: DriftWorld, machine: string) => {
    await world.virsh('vol-delete', await world.volume(machine, what), '--pool', 'default');
    return undefined;
  };
  return { name: `${what} volume deleted`, guest: 'off', make, ...more };
}

function volumeGrown(what: string, more: Partial<OutOfBandChange> = {}): OutOfBandChange {
  const make = async (world: DriftWorld, machine: string) => {
    await world.virsh('vol-resize', await world.volume(machine, what), '2G', '--pool', 'default');
    // Nothing makes it smaller again.
    return undefined;
  };
  return { name: `${what} volume grown`, guest: 'off', make, ...more };
}

const DISK = /<disk type='(?:file|volume)' device='disk'>[\s\S]*?<\/disk>/g;
const devices = (more: string) => (xml: string) => xml.replace('</devices>', `${more}</devices>`);
const NIC = "<interface type='network'><source network='default'/><model type='virtio'/></interface>";

const OFF: readonly OutOfBandChange[] = [
  edited('memory', (xml) =>
    xml
      .replace(/(<memory unit='KiB'>)\d+/, '$1262144')
      .replace(/(<currentMemory unit='KiB'>)\d+/, '$1262144'),
  ),
  edited('current memory alone', (xml) => xml.replace(/(<currentMemory unit='KiB'>)\d+/, '$165536')),
  edited('vCPUs', (xml) => xml.replace(/(<vcpu[^>]*>)1</, '$12<')),
  edited('vCPUs that are off', (xml) =>
    xml.replace(/<vcpu[^>]*>1</, "<vcpu placement='static' current='1'>2<"),
  ),
  edited('description', (xml) => xml.replace(/<description>[^<]*/, '<description>other')),
  edited('description removed', (xml) => xml.replace(/<description>[^<]*<\/description>/, '')),
  edited('title', (xml) => xml.replace('<description>', '<title>other</title><description>')),
  edited('metadata of another tool', (xml) =>
    xml.replace('<description>', "<metadata><x:y xmlns:x='http://example.com/x'/></metadata><description>"),
  ),
  edited('MAC address', (xml) => xml.replace(/(mac address='[^']*):[^:']*'/, "$1:99'")),
  edited('interface removed', (xml) => xml.replace(/<interface[\s\S]*?<\/interface>/, '')),
  edited('interface added', devices(NIC)),
  edited('interface in another network', (xml) =>
    xml.replace(/<source network='default'\/>/, "<source network='second'/>"),
  ),
  edited('model of the interface', (xml) => xml.replace(/<model type='virtio'\/>/, "<model type='e1000'/>")),
  edited('CPU model', (xml) =>
    xml.replace(/<cpu[\s\S]*?(<\/cpu>|\/>)/, "<cpu mode='custom' match='exact'><model>qemu32</model></cpu>"),
  ),
  edited('machine type', (xml) => xml.replace(/machine='pc-i440fx-[^']*'/, "machine='pc-i440fx-7.0'")),
  edited('graphics added', devices("<graphics type='vnc' port='-1' autoport='yes'/>")),
  edited('boot order', (xml) =>
    xml.replace(/<boot dev='hd'\/>|<\/os>/, (found) =>
      found === '</os>' ? "<boot dev='network'/></os>" : "<boot dev='network'/>",
    ),
  ),
  edited('boot menu', (xml) => xml.replace('</os>', "<bootmenu enable='yes'/></os>")),
  edited('what a crash does', (xml) => xml.replace(/<on_crash>[^<]*/, '<on_crash>preserve')),
  edited('clock', (xml) => xml.replace(/<clock offset='utc'/, "<clock offset='localtime'")),
  edited('ACPI off', (xml) => xml.replace('<acpi/>', '')),
  edited('serial console removed', (xml) =>
    xml.replace(/<serial[\s\S]*?<\/serial>/, '').replace(/<console[\s\S]*?<\/console>/, ''),
  ),
  edited(
    'channel of a guest agent',
    devices("<channel type='unix'><target type='virtio' name='other.0'/></channel>"),
  ),
  edited('watchdog', devices("<watchdog model='i6300esb' action='reset'/>")),
  edited('cache of the root disk', (xml) =>
    xml.replace(/(<driver name='qemu' type='qcow2')/, "$1 cache='unsafe'"),
  ),
  edited('root disk removed', (xml) => xml.replace(DISK, '')),
  edited('seed removed', (xml) =>
    xml.replace(/<disk type='(file|volume)' device='cdrom'>[\s\S]*?<\/disk>/, ''),
  ),
  edited('root disk is another file', (xml) =>
    xml.replace(/(file='[^']*\/|volume=')[^'/]*root\.qcow2/, '$1other.qcow2'),
  ),
  edited(
    'disk of a file added',
    devices(
      "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/var/lib/libvirt/images/other.raw'/><target dev='vdz' bus='virtio'/></disk>",
    ),
  ),
  edited(
    'data disk detached',
    (xml) =>
      xml.replace(
        /<disk type='(file|volume)' device='disk'>(?:(?!<\/disk>)[\s\S])*disk-data[\s\S]*?<\/disk>/,
        '',
      ),
    { needsDisk: true },
  ),
  volumeGrown('root'),
  volumeGrown('disk-data', { needsDisk: true }),
  volumeDeleted('root'),
  volumeDeleted('seed'),
  volumeDeleted('disk-data', { needsDisk: true }),
  {
    name: 'seed volume overwritten',
    guest: 'off',
    make: async (world, machine) => {
      await world.virsh('vol-wipe', await world.volume(machine, 'seed'), '--pool', 'default');
      return undefined;
    },
  },
  commanded(
    'autostart',
    'off',
    (domain) => ['autostart', domain],
    (domain) => ['autostart', domain, '--disable'],
  ),
  commanded(
    'started',
    'off',
    (domain) => ['start', domain],
    (domain) => ['destroy', domain],
  ),
  commanded('undefined', 'off', (domain) => ['undefine', domain]),
  {
    name: 'undefined and defined again with another UUID',
    guest: 'off',
    make: async (world, machine) => {
      const xml = await world.xml(machine);
      await world.virsh('undefine', `default.${machine}`);
      await world.define(xml.replace(/<uuid>[^<]*<\/uuid>/, ''));
      return undefined;
    },
  },
  commanded(
    'renamed',
    'off',
    (domain) => ['domrename', domain, `${domain}-other`],
    (domain) => ['domrename', `${domain}-other`, domain],
  ),
  commanded(
    'pool refreshed',
    'off',
    () => ['pool-refresh', 'default'],
    () => ['pool-refresh', 'default'],
  ),
  commanded(
    'pool stopped',
    'off',
    () => ['pool-destroy', 'default'],
    () => ['pool-refresh', 'default'],
  ),
  commanded(
    'network stopped',
    'off',
    () => ['net-destroy', 'default'],
    () => ['net-start', 'default'],
  ),
];

/** Nothing of the machine: what stands between it and the check. */
const BETWEEN: readonly OutOfBandChange[] = [
  { name: 'libvirtd restarted', guest: 'off', make: (world) => world.restartLibvirtd() },
  { name: 'provider killed', guest: 'off', make: (world) => world.signalProvider('SIGKILL') },
  { name: 'provider hangs', guest: 'off', make: (world) => world.signalProvider('SIGSTOP') },
];

const ON: readonly OutOfBandChange[] = [
  commanded(
    'paused',
    'on',
    (domain) => ['suspend', domain],
    (domain) => ['resume', domain],
  ),
  commanded(
    'powered off',
    'on',
    (domain) => ['destroy', domain],
    (domain) => ['start', domain],
  ),
  commanded(
    'reset',
    'on',
    (domain) => ['reset', domain],
    (domain) => ['reset', domain],
  ),
  {
    name: 'powered off and started again',
    guest: 'on',
    make: async (world, machine) => {
      await world.virsh('destroy', `default.${machine}`);
      await world.virsh('start', `default.${machine}`);
      return async () => {};
    },
  },
  commanded(
    'less memory for the guest',
    'on',
    (domain) => ['setmem', domain, '96M', '--live'],
    (domain) => ['setmem', domain, '128M', '--live'],
  ),
  commanded(
    'interface attached to the guest',
    'on',
    (domain) => [
      'attach-interface',
      domain,
      'network',
      'default',
      '--model',
      'virtio',
      '--mac',
      '52:54:00:0a:0b:0c',
      '--live',
    ],
    (domain) => ['detach-interface', domain, 'network', '--mac', '52:54:00:0a:0b:0c', '--live'],
  ),
  {
    name: 'link of the interface down',
    guest: 'on',
    make: async (world, machine) => {
      const [, mac = ''] = /<mac address='([^']*)'/.exec(await world.xml(machine)) ?? [];
      await world.virsh('domif-setlink', `default.${machine}`, mac, 'down');
      return () => world.virsh('domif-setlink', `default.${machine}`, mac, 'up');
    },
  },
  commanded(
    'autostart of a running guest',
    'on',
    (domain) => ['autostart', domain],
    (domain) => ['autostart', domain, '--disable'],
  ),
  commanded('description of a running guest', 'on', (domain) => [
    'desc',
    domain,
    '--live',
    '--config',
    '--new-desc',
    'other',
  ]),
  commanded(
    'memory at the next start',
    'on',
    (domain) => ['setmaxmem', domain, '256M', '--config'],
    (domain) => ['setmaxmem', domain, '128M', '--config'],
  ),
  commanded(
    'vCPUs at the next start',
    'on',
    (domain) => ['setvcpus', domain, '2', '--maximum', '--config'],
    (domain) => ['setvcpus', domain, '1', '--maximum', '--config'],
  ),
  commanded('undefined under a running guest', 'on', (domain) => ['undefine', domain]),
];

export const CHANGES: readonly OutOfBandChange[] = [...OFF, ...BETWEEN, ...ON];
