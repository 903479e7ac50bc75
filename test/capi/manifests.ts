/** Builds manifests of Cluster API objects for tests. */

const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io';
const metadata = (name: string) => ({ name, namespace: 'default' });

/** A Cluster whose control plane is a StandInControlPlane of its name. */
export function cluster(name: string, infrastructureKind: string): object {
  return {
    apiVersion: 'cluster.x-k8s.io/v1beta2',
    kind: 'Cluster',
    metadata: metadata(name),
    spec: {
      clusterNetwork: { pods: { cidrBlocks: ['10.244.0.0/16'] } },
      controlPlaneRef: { apiGroup: 'controlplane.cluster.x-k8s.io', kind: 'StandInControlPlane', name },
      infrastructureRef: { apiGroup: INFRASTRUCTURE, kind: infrastructureKind, name },
    },
  };
}

/** A KubeadmConfigTemplate of workers that read their provider ID from the seed's meta-data. */
export function workerBootstrap(name: string): object {
  const kubeletExtraArgs = [{ name: 'provider-id', value: 'libvirt:///{{ ds.meta_data.instance_id }}' }];
  return {
    apiVersion: 'bootstrap.cluster.x-k8s.io/v1beta2',
    kind: 'KubeadmConfigTemplate',
    metadata: metadata(name),
    spec: { template: { spec: { joinConfiguration: { nodeRegistration: { kubeletExtraArgs } } } } },
  };
}

/** A MachineDeployment of workers, whose templates have its own name by default. */
export function machineDeployment(
  name: string,
  options: { readonly cluster: string; readonly machineKind: string; readonly replicas: number },
): object {
  const { cluster, machineKind, replicas } = options;
  return {
    apiVersion: 'cluster.x-k8s.io/v1beta2',
    kind: 'MachineDeployment',
    metadata: metadata(name),
    spec: {
      clusterName: cluster,
      replicas,
      selector: { matchLabels: { 'cluster.x-k8s.io/deployment-name': name } },
      template: {
        metadata: { labels: { 'cluster.x-k8s.io/deployment-name': name } },
        spec: {
          clusterName: cluster,
          version: 'v1.36.3',
          bootstrap: {
            configRef: { apiGroup: 'bootstrap.cluster.x-k8s.io', kind: 'KubeadmConfigTemplate', name },
          },
          infrastructureRef: { apiGroup: INFRASTRUCTURE, kind: `${machineKind}Template`, name },
        },
      },
    },
  };
}
