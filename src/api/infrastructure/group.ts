/** The API group of the current Cluster API's infrastructure objects, and the names of upstream that its contract gives a meaning. */

export const INFRASTRUCTURE_GROUP = 'infrastructure.cluster.x-k8s.io';
export const INFRASTRUCTURE_VERSION = 'v1alpha1';
export const INFRASTRUCTURE_API_VERSION = `${INFRASTRUCTURE_GROUP}/${INFRASTRUCTURE_VERSION}`;

/** Label of a CustomResourceDefinition: its versions that keep contract v1beta2. */
export const CONTRACT_LABEL = 'cluster.x-k8s.io/v1beta2';

/** Label that tells components of one provider from those of another. */
export const PROVIDER_LABEL = 'cluster.x-k8s.io/provider';
export const PROVIDER_NAME = 'infrastructure-libvirt';

/** Label of a CustomResourceDefinition whose objects clusterctl looks at. */
export const CLUSTERCTL_LABEL = 'clusterctl.cluster.x-k8s.io';
