/** The API group, its older spellings, and the names (labels, annotations, finalizers) that live in it. */

export const GROUP = 'cluster-api.k8s.io';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Spellings of `apiVersion` that mean API_VERSION; a manifest may use any of them, the store only ever sees the first. */
export const ACCEPTED_API_VERSIONS: readonly string[] = [
  API_VERSION,
  `cluster.k8s.io/${VERSION}`,
  `libvirt.cluster.k8s.io/${VERSION}`,
];

/** Label of a Machine that names its Cluster. */
export const CLUSTER_NAME_LABEL = `${GROUP}/cluster-name`;

/** Labels that are read as CLUSTER_NAME_LABEL, first match wins. */
export const CLUSTER_NAME_LABELS: readonly string[] = [CLUSTER_NAME_LABEL, 'cluster.k8s.io/cluster-name'];

/** Kept on a Machine or Cluster until nothing of it is left on a host. */
export const FINALIZER = `caplv.${GROUP}/host-objects`;

/** Kept on an IPAddressClaim, and on the IPAddress for it, until the machine that has the address is gone. */
export const ADDRESS_FINALIZER = `caplv.${GROUP}/address-in-use`;

/** `cluster-api.k8s.io/v1alpha1` for any accepted spelling of it; others are returned as they are. */
export function canonicalApiVersion(apiVersion: string): string {
  return ACCEPTED_API_VERSIONS.includes(apiVersion) ? API_VERSION : apiVersion;
}

/** Annotation of a Machine that keeps MachineHealthChecks away from it. */
export const SKIP_REMEDIATION_ANNOTATION = 'cluster-api.k8s.io/skip-remediation';

/** Annotation of a Node: names of the labels, annotations and taints that its Machine gave it, as JSON. */
export const NODE_RECORD_ANNOTATION = 'cluster-api.k8s.io/from-machine';

/** Annotation of a Machine whose Node is deleted without asking its pods to leave first. As in Cluster API. */
export const EXCLUDE_NODE_DRAINING_ANNOTATION = 'machine.cluster.x-k8s.io/exclude-node-draining';
