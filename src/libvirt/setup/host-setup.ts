/**
 * Makes on a host what libvirt's packages usually bring: a network and a pool. Terraform makes all that belongs to machines and Clusters;
 * these belong to nobody but the host, and a person has asked for them.
 */

import type { AllowedHost } from '../../system/allowed-host.ts';
import { Virsh } from '../virsh.ts';
import { autostart, type Kind, start } from './define.ts';
import { createNetwork, type NewNetwork } from './network.ts';
import { createPool, type NewPool } from './pool.ts';

/** Changes one host. Every method may throw LibvirtError. */
export class HostSetup {
  readonly #virsh: Virsh;

  constructor(uri: AllowedHost) {
    this.#virsh = new Virsh(uri);
  }

  /** Creates a NAT network, started now and with the host. Returns its range in CIDR notation. */
  createNetwork(network: NewNetwork): Promise<string> {
    return createNetwork(this.#virsh, network);
  }

  /** Creates a pool in a directory, started now and with the host. */
  createPool(pool: NewPool): Promise<void> {
    return createPool(this.#virsh, pool);
  }

  /** Starts an inactive network or pool, now and with the host. */
  async start(kind: Kind, name: string): Promise<void> {
    await start(this.#virsh, kind, name);
    await autostart(this.#virsh, kind, name);
  }
}
