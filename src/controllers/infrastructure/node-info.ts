/** What a Node of a machine will say of itself, as far as it is known before there is one. */

import type { LibvirtCluster } from '../../api/infrastructure/libvirt-cluster.ts';
import type { LibvirtMachineTemplate } from '../../api/infrastructure/libvirt-machine.ts';
import { isMapping } from '../../apimachinery/mapping.ts';
import { TerminalError } from '../../errors.ts';
import { candidateSites } from '../../intent/site.ts';
import { clusterSpecOf } from './cluster-projection.ts';

export type NodeInfo = NonNullable<NonNullable<LibvirtMachineTemplate['status']>['nodeInfo']>;
type Architecture = NonNullable<NodeInfo['architecture']>;

/** By the name that libvirt has for it; those of the contract of Cluster API, and no others. */
const ARCHITECTURES: ReadonlyMap<string | undefined, Architecture> = new Map<string, Architecture>([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['s390x', 's390x'],
  ['ppc64le', 'ppc64le'],
]);

/** Returns the `arch` that the template gives its domain by its own Terraform; undefined: it has that of its host. */
export function namedArch({ spec }: Pick<LibvirtMachineTemplate, 'spec'>): string | undefined {
  const path = ['resource', 'libvirt_domain', 'machine', 'arch'];
  const found = path.reduce<unknown>(
    (value, name) => (isMapping(value) ? value[name] : undefined),
    spec.template.spec.terraform,
  );
  return typeof found === 'string' ? found : undefined;
}

/** Returns the libvirt URIs of all hosts on which its machines may be placed, as they are written; none while that is not known. */
export function possibleHosts(
  { spec }: Pick<LibvirtMachineTemplate, 'spec'>,
  infrastructure: LibvirtCluster | undefined,
  defaultUri: string,
): string[] {
  const { uri, host } = spec.template.spec;
  if (uri !== undefined) return [uri];
  if (!infrastructure) return [];
  try {
    const wanted = host === undefined ? {} : { host };
    return candidateSites(wanted, clusterSpecOf(infrastructure), defaultUri).map((site) => site.uri);
  } catch (error) {
    // A host that the cluster does not have: its machines say so.
    if (error instanceof TerminalError) return [];
    throw error;
  }
}

/** `archs`: of those hosts, by the names of libvirt. Without an architecture where they differ, or it is none of the contract's. */
export function nodeInfoOf(archs: readonly (string | undefined)[]): NodeInfo {
  const [first, ...others] = new Set(archs);
  const architecture = others.length === 0 ? ARCHITECTURES.get(first) : undefined;
  // What configures a guest, cloud-init or Ignition, makes a Linux of it.
  return { ...(architecture && { architecture }), operatingSystem: 'linux' };
}
