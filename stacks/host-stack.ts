/** Renders the networks, pools and images that the machines of a host share. */

import { Network } from '@cdktf/provider-libvirt/lib/network';
import { Pool } from '@cdktf/provider-libvirt/lib/pool';
import { Volume } from '@cdktf/provider-libvirt/lib/volume';
import { DataResource } from 'cdktf';
import type { Construct } from 'constructs';
import type { BackendIntent, HostIntent, NetworkIntent } from './intent.ts';
import { LibvirtStack } from './libvirt-stack.ts';
import { literal } from './literal.ts';
import { addresses } from './resource-address.ts';
import { resourceId } from './resource-id.ts';
import { volumeSource } from './volume-source.ts';

const AS_IS = { ignoreChanges: 'all' } as const;

/**
 * Declares what the machines of a host share. Resources: `libvirt_network.network_<name>`, `libvirt_pool.pool_<name>`,
 * `libvirt_volume.image_<pool>__<volume>`.
 *
 * An image is identified by its volume's name: its source may change, and overlays of it never lose their base. Use another name for
 * another image.
 */
export class HostStack extends LibvirtStack {
  constructor(scope: Construct, id: string, intent: HostIntent, backend: BackendIntent) {
    super(scope, id, intent.uri, backend);
    const images = intent.images.map((image) => ({ ...image, source: volumeSource(image.source) }));
    const host = literal({ ...intent, images });
    for (const network of host.networks) {
      this.network(network, host.asIs?.networks.includes(network.name) ?? false);
    }
    const pools = new Map(
      host.pools.map(({ name, path }) => [
        name,
        new Pool(this, resourceId('pool', name), {
          name,
          type: 'dir',
          target: { path },
          lifecycle: host.asIs?.pools.includes(name) ? AS_IS : undefined,
        }),
      ]),
    );
    for (const { pool, volume, source } of host.images) {
      const managed = pools.get(pool);
      new Volume(this, resourceId('image', pool, volume), {
        name: volume,
        pool,
        source,
        dependsOn: managed && [managed],
        lifecycle: { ignoreChanges: ['source'] },
      });
    }
  }

  private network(network: NetworkIntent, asIs: boolean): Network {
    const dhcp = network.mode === 'bridge' ? undefined : { enabled: network.dhcp };
    // The provider plans to change these in place, and does not change them.
    const shape = new DataResource(this, resourceId('shape', network.name), {
      triggersReplace: { mtu: network.mtu, dhcp: dhcp?.enabled },
      lifecycle: asIs ? AS_IS : undefined,
    });
    return new Network(this, resourceId('network', network.name), {
      name: network.name,
      mode: network.mode,
      addresses: network.addresses.length > 0 ? [...network.addresses] : undefined,
      bridge: network.bridge,
      domain: network.domain,
      mtu: network.mtu,
      autostart: network.autostart,
      dhcp,
      lifecycle: asIs ? AS_IS : { replaceTriggeredBy: addresses([shape]) },
    });
  }
}
