/** Writes the configuration of a lab's libvirtd. */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const TCP_PORT = 16509;

/** The sandbox is the confinement; QEMU's own namespaces, cgroups and AppArmor profiles would need the machine's. */
const QEMU_CONF = `namespaces = []
cgroup_controllers = []
security_driver = "none"
user = "root"
group = "root"
`;

/**
 * Writes what a lab host has in its /etc/libvirt. Its network and its pool, both named `default`, are defined by file
 * rather than by virsh: they are active with the first answer of libvirtd. What was defined before stays.
 *
 * @param subnet the first three parts of the network's addresses, for example `192.168.122`
 */
export async function writeConfiguration(etc: string, subnet: string, poolPath: string): Promise<void> {
  await mkdir(etc, { recursive: true });
  await writeFile(join(etc, 'qemu.conf'), QEMU_CONF);
  await writeFile(join(etc, 'virtlogd.conf'), '');
  await defineOnce(join(etc, 'qemu/networks'), networkXml(subnet));
  await defineOnce(join(etc, 'storage'), poolXml(poolPath));
}

/** @param listenAddress for connections over TCP; absent: none */
export async function writeLibvirtdConf(etc: string, listenAddress: string | undefined): Promise<void> {
  const lines = [
    // Access as Debian sets it for a machine's libvirt: root, and members of this group.
    'unix_sock_group = "libvirt"',
    'unix_sock_rw_perms = "0770"',
    'auth_unix_ro = "none"',
    'auth_unix_rw = "none"',
    'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"',
  ];
  if (listenAddress) {
    lines.push('listen_tls = 0', 'listen_tcp = 1', 'auth_tcp = "none"');
    lines.push(`listen_addr = "${listenAddress}"`, `tcp_port = "${TCP_PORT}"`);
  }
  await writeFile(join(etc, 'libvirtd.conf'), `${lines.join('\n')}\n`);
}

async function defineOnce(directory: string, xml: string): Promise<void> {
  if (existsSync(join(directory, 'default.xml'))) return;
  await mkdir(join(directory, 'autostart'), { recursive: true });
  await symlink('../default.xml', join(directory, 'autostart/default.xml'));
  await writeFile(join(directory, 'default.xml'), xml);
}

function networkXml(subnet: string): string {
  return `<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>default</name>
  <uuid>${randomUUID()}</uuid>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='${subnet}.1' netmask='255.255.255.0'>
    <dhcp><range start='${subnet}.2' end='${subnet}.254'/></dhcp>
  </ip>
  <!-- Without it dnsmasq pings each address for 3 s before it offers it. -->
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>
`;
}

function poolXml(path: string): string {
  return `<pool type='dir'>
  <name>default</name>
  <uuid>${randomUUID()}</uuid>
  <source/>
  <target><path>${path}</path></target>
</pool>
`;
}
