/** Lists the sites of a Cluster: hosts with the network and pool that it gives its machines there. */

import type {
  ClusterNetwork,
  ClusterPool,
  HostLimits,
  LibvirtClusterProviderSpec,
} from '../api/kinds/cluster-provider-spec.ts';
import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError } from '../errors.ts';
import { hostIdentity } from '../libvirt/host-uri.ts';
import type { AllowedHost } from '../system/allowed-host.ts';

export interface NamedSite {
  /** Name among the Cluster's hosts; undefined for a Cluster with one unnamed host, or none. */
  readonly name: string | undefined;
  /** libvirt connection URI, as the Cluster has it: not to be opened. */
  readonly uri: string;
  readonly network: ClusterNetwork;
  readonly pool: ClusterPool;
  readonly failureDomain: string | undefined;
  /** Absent for a host without any. */
  readonly limits?: HostLimits | undefined;
}

/** A site on a host that the policy allows. */
export interface Site extends NamedSite {
  readonly uri: AllowedHost;
}

/** libvirt's own names for what it makes at installation. */
const DEFAULT_NAME = 'default';

/** Returns the name of the host for people: that in the Cluster, else that in the URI, else `localhost`. */
export function siteLabel({ name, uri }: Pick<NamedSite, 'name' | 'uri'>): string {
  return name ?? (/^[^:]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(uri)?.[1] || 'localhost');
}

/** Returns all sites of a Cluster; without a Cluster the one host at `defaultUri`. */
export function sitesOf(cluster: LibvirtClusterProviderSpec | undefined, defaultUri: string): NamedSite[] {
  const network = cluster?.network ?? { name: DEFAULT_NAME };
  const pool = cluster?.pool ?? { name: DEFAULT_NAME };
  if (!cluster?.hosts) {
    return [{ name: undefined, uri: cluster?.uri ?? defaultUri, network, pool, failureDomain: undefined }];
  }
  return cluster.hosts.map((host) => ({
    name: host.name,
    uri: host.uri,
    network: host.network ?? network,
    pool: host.pool ?? pool,
    failureDomain: host.failureDomain,
    ...limitsOf(host),
  }));
}

function limitsOf({ unschedulable, reserved, overcommit }: HostLimits): Pick<NamedSite, 'limits'> {
  if (!unschedulable && !reserved && !overcommit) return {};
  return { limits: { unschedulable, reserved, overcommit } };
}

/** Returns the failure domain of a site: that of its host, else the host itself. Undefined for a Cluster without named hosts. */
export function failureDomainOf({
  name,
  failureDomain,
}: Pick<NamedSite, 'name' | 'failureDomain'>): string | undefined {
  return failureDomain ?? name;
}

/**
 * The sites on which a machine may be put, by what its spec says. `path`: of the spec, as its author wrote it. Throws TerminalError
 * InvalidConfiguration for an unknown host or failure domain.
 */
export function candidateSites(
  spec: Pick<LibvirtMachineProviderSpec, 'uri' | 'host' | 'failureDomain'>,
  cluster: LibvirtClusterProviderSpec | undefined,
  defaultUri: string,
  path = 'spec.providerSpec',
): NamedSite[] {
  const sites = hostSites(spec, cluster, defaultUri, path);
  const { failureDomain } = spec;
  if (failureDomain === undefined) return sites;
  const within = sites.filter((site) => failureDomainOf(site) === failureDomain);
  if (within.length > 0) return within;
  const names = [...new Set(sites.flatMap((site) => failureDomainOf(site) ?? []))];
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.failureDomain`,
    message: `no host on which the machine may be placed is in the failure domain "${failureDomain}"`,
    fix:
      names.length > 0
        ? `use one of ${names.join(', ')}`
        : 'add hosts with that failureDomain to the Cluster, or leave the failure domain out',
  });
}

function hostSites(
  spec: Pick<LibvirtMachineProviderSpec, 'uri' | 'host'>,
  cluster: LibvirtClusterProviderSpec | undefined,
  defaultUri: string,
  path: string,
): NamedSite[] {
  const sites = sitesOf(cluster, defaultUri);
  if (spec.uri !== undefined) return [siteAt(spec.uri, sites)];
  if (spec.host === undefined) return sites;
  const named = sites.filter((site) => site.name === spec.host);
  if (named.length > 0) return named;
  const names = sites.flatMap((site) => site.name ?? []);
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.host`,
    message: `the Cluster has no host named "${spec.host}"`,
    fix:
      names.length > 0
        ? `use one of ${names.join(', ')}`
        : "add hosts to the Cluster's provider spec, or use uri",
  });
}

/**
 * The site of a machine that is, or is to be, on the host `uri`; `sites`: those of its Cluster. A machine does not move. `given`: the
 * network and pool that it was made with, where that was noted; what its Cluster gives now is for new machines.
 */
export function siteAt<U extends string>(
  uri: U,
  sites: readonly NamedSite[],
  given?: { readonly network: string; readonly pool: string },
): NamedSite & { readonly uri: U } {
  const identity = hostIdentity(uri);
  const found = sites.find((one) => hostIdentity(one.uri) === identity) ?? {
    name: undefined,
    network: { name: DEFAULT_NAME },
    pool: { name: DEFAULT_NAME },
    failureDomain: undefined,
  };
  if (!given) return { ...found, uri };
  const { network, pool } = found;
  return {
    ...found,
    uri,
    network: network.name === given.network ? network : { name: given.network },
    pool: pool.name === given.pool ? pool : { name: given.pool },
  };
}
