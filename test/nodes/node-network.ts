/** Creates a libvirt network that this machine has a route to. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { LibvirtHost } from '../lab/libvirt-host.ts';

/** A network in which this machine reaches the guests, and they reach it. */
export interface NodeNetwork {
  /** Name in libvirt. */
  readonly name: string;
  /** A free address outside of what DHCP gives out. */
  readonly endpoint: string;
}

const NAME = 'nodes';

/**
 * Makes a network of a lab host whose addresses this machine has a route to, by the uplink of the host: the managers of Cluster API run on this
 * machine and connect to the API server in a guest. Its addresses are of 198.19.0.0/16, which is reserved for tests (RFC 2544) and
 * routed nowhere. The route goes with the host.
 */
export async function createNodeNetwork(host: LibvirtHost): Promise<NodeNetwork> {
  const { uplink } = host;
  if (!uplink) throw new Error('the lab has no uplink, so nothing here would reach its guests');
  const subnet = await freeSubnet();
  const definition = join(host.directory, `${NAME}.xml`);
  await writeFile(definition, networkXml(subnet));
  for (const [command, subject] of [
    ['net-define', definition],
    ['net-start', NAME],
  ] as const)
    await execa('virsh', ['-c', host.uri, command, subject], { stdin: 'ignore' });
  await execa('ip', ['route', 'add', `${subnet}.0/24`, 'via', uplink.address]);
  return { name: NAME, endpoint: `${subnet}.10` };
}

async function freeSubnet(): Promise<string> {
  const { stdout } = await execa('ip', ['-4', 'route', 'show']);
  for (let third = 0; third < 256; third++)
    if (!stdout.includes(`198.19.${third}.`)) return `198.19.${third}`;
  throw new Error('all 256 networks of nodes on this machine are taken: npm run lab -- down');
}

/** `open`: libvirt adds no rules that keep others from its guests. */
function networkXml(subnet: string): string {
  return `<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>${NAME}</name>
  <forward mode='open'/>
  <bridge name='virbr-nodes' stp='on' delay='0'/>
  <ip address='${subnet}.1' netmask='255.255.255.0'>
    <dhcp><range start='${subnet}.100' end='${subnet}.199'/></dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>
`;
}
