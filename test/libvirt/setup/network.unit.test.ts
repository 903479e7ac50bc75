/** Verifies the definition of a new network. */

import { expect, it } from 'vitest';
import { networkXml } from '../../../src/libvirt/setup/network.ts';

it('a new network gives all addresses of its range but its own, and leaves the name of its bridge to libvirt', () => {
  expect(networkXml('default', 'a-b-c', '192.168.123.0/24')).toMatchInlineSnapshot(`
    "<network>
      <name>default</name>
      <uuid>a-b-c</uuid>
      <forward mode='nat'/>
      <bridge stp='on' delay='0'/>
      <ip address='192.168.123.1' netmask='255.255.255.0'>
        <dhcp><range start='192.168.123.2' end='192.168.123.254'/></dhcp>
      </ip>
    </network>
    "
  `);
});
