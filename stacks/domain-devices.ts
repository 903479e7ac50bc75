/** Renders consoles and interfaces of a domain, and lists its arguments that replace it or are ignored. */

import type {
  DomainConsole,
  DomainGraphics,
  DomainNetworkInterface,
} from '@cdktf/provider-libvirt/lib/domain';
import type { DomainIntent, InterfaceIntent, MachineIntent } from './intent.ts';

export const serialConsole: DomainConsole = { type: 'pty', targetType: 'serial', targetPort: '0' };

/**
 * Renders the graphical console. Without a block the provider asks for SPICE, which not every QEMU supports; so "none" becomes a VNC
 * display that listens on no port and no socket.
 */
export function graphics(type: DomainIntent['graphics']): DomainGraphics {
  if (type === undefined) return { type: 'vnc', autoport: false, listenType: 'none' };
  return { type, autoport: true, listenType: 'address', listenAddress: '127.0.0.1' };
}

export function networkInterface(nic: InterfaceIntent): DomainNetworkInterface {
  const mac = (nic.mac ?? nic.assignedMac)?.toUpperCase();
  switch (nic.kind) {
    case 'network':
      return {
        networkName: nic.network,
        mac,
        hostname: nic.hostname,
        addresses: nic.addresses && [...nic.addresses],
      };
    case 'bridge':
      return { bridge: nic.bridge, mac };
    case 'macvtap':
      return { macvtap: nic.device, mac };
  }
}

/**
 * Returns the arguments that provider 0.8.3 plans to change in place and then does not change. A change of this object replaces the
 * domain; so does a new key in it, for every existing machine.
 */
export function replaceTriggers({ domain, disks, interfaces }: MachineIntent): Record<string, unknown> {
  return {
    cpu_mode: domain.cpuMode,
    machine: domain.machine,
    disks: disks.map((disk) => (disk.kind === 'existing' ? disk.volumeKey : disk.volume)),
    interfaces: interfaces.map((nic) => {
      const { bridge, macvtap, networkName, addresses } = networkInterface(nic);
      return { mac: nic.mac?.toUpperCase(), bridge, macvtap, network: networkName, addresses };
    }),
  };
}

/**
 * Lists the attributes that the provider reads back in another form: the machine type by its alias (`q35`), the CPU mode `host-model`
 * spelled out, and fixed addresses as the guest's current ones (none before it boots). Also the ownership mark: earlier versions wrote
 * another, and a change of it would replace the domain.
 */
export function ignoredChanges({ domain, interfaces }: MachineIntent): string[] {
  const fixed = interfaces.flatMap((nic, index) =>
    nic.kind === 'network' && nic.addresses?.length ? [`network_interface[${index}].addresses`] : [],
  );
  return [
    'description',
    ...fixed,
    ...(domain.cpuMode === undefined ? [] : ['cpu']),
    ...(domain.machine === undefined ? [] : ['machine']),
  ];
}
