/** Hands over what a LibvirtCluster has on its hosts to another management cluster, and takes over what came from one. */

import type { LibvirtCluster } from '../../api/infrastructure/libvirt-cluster.ts';
import type { Policy } from '../../intent/policy.ts';
import { type Site, sitesOf } from '../../intent/site.ts';
import type { HostResources } from '../shared/shared-hosts.ts';
import { asCluster, clusterSpecOf } from './cluster-projection.ts';
import type { ControlPlaneEndpoints } from './control-plane-endpoints.ts';
import { type HostRecord, type HostRecords, partsOn } from './host-records.ts';

export interface HostHandoverOptions {
  readonly records: Pick<HostRecords, 'read' | 'write' | 'remove'>;
  readonly hosts: Pick<HostResources, 'handOverSite' | 'takeOverSite'>;
  readonly endpoints: Pick<ControlPlaneEndpoints, 'takeOver'>;
  readonly policy: Policy;
}

export class HostHandover {
  readonly #options: HostHandoverOptions;

  constructor(options: HostHandoverOptions) {
    this.#options = options;
  }

  /**
   * Before anything is made on a host: clusterctl lists what moves before it pauses, so the record has to be there by then. Returns what it
   * says, which is nothing unless it came along.
   */
  async prepare(one: LibvirtCluster): Promise<HostRecord> {
    const { records } = this.#options;
    const before = await records.read(one);
    if (before) return before;
    const record = emptyRecord(one);
    // One that goes does not move, and its namespace, which may go too, takes nothing new.
    if (!one.metadata.deletionTimestamp) await records.write(one, record);
    return record;
  }

  /** Throws CaplvError for what keeps it from going. */
  async handOver(one: LibvirtCluster): Promise<void> {
    const { records, hosts, policy } = this.#options;
    // What it has not taken over yet goes on as it came.
    let record = await this.prepare(one);
    for (const site of sitesOf(clusterSpecOf(one), policy.defaultHost)) {
      const uri = policy.host(site.uri);
      if (uri === undefined) continue;
      await hosts.handOverSite(asCluster(one), { ...site, uri }, async (parts) => {
        record = { ...record, parts: { ...record.parts, [uri]: parts } };
        await records.write(one, record);
      });
    }
  }

  /** Returns what takes over, host by host, what came along by `record`; undefined: nothing did. */
  takingOver(one: LibvirtCluster, record: HostRecord): ((site: Site) => Promise<void>) | undefined {
    const { hosts, endpoints } = this.#options;
    if (record.claimant === one.metadata.uid && Object.keys(record.parts).length === 0) return undefined;
    return async (site) => {
      const parts = partsOn(record, site.uri);
      if (parts !== undefined) await hosts.takeOverSite(site, parts);
      await endpoints.takeOver(one, record.claimant, site);
    };
  }

  /** Forgets what came along, all of which was taken over. */
  async end(one: LibvirtCluster): Promise<void> {
    await this.#options.records.write(one, emptyRecord(one));
  }

  /** When the LibvirtCluster is gone: not every API server removes what it owned. */
  async remove(one: LibvirtCluster): Promise<void> {
    await this.#options.records.remove(one);
  }
}

function emptyRecord({ metadata }: LibvirtCluster): HostRecord {
  return { claimant: metadata.uid ?? '', parts: {} };
}
