/** Lists the Cluster API providers of the lab, and their versions. */

export const CLUSTER_API_VERSION = '1.14.2';
const IN_CLUSTER_IPAM_VERSION = '1.1.0';

const CLUSTER_API = { module: 'sigs.k8s.io/cluster-api', version: CLUSTER_API_VERSION };
const IN_CLUSTER_IPAM = {
  module: 'sigs.k8s.io/cluster-api-ipam-provider-in-cluster',
  version: IN_CLUSTER_IPAM_VERSION,
};

/** One of upstream's providers: where its source is, what clusterctl calls it, and how its manager is started. */
export interface Provider {
  /** As in the label `cluster.x-k8s.io/provider`; also the name of its folder in clusterctl's repository, and of its program. */
  readonly label: string;
  /** As `clusterctl` names it. */
  readonly name: string;
  readonly type: 'CoreProvider' | 'BootstrapProvider' | 'ControlPlaneProvider' | 'IPAMProvider';
  /** Go module. */
  readonly module: string;
  /** Without `v`. */
  readonly version: string;
  /** Go package of its manager, below the module; '' is the module itself. */
  readonly main: string;
  /** Folder in the module with the kustomization of all its objects. */
  readonly manifests: string;
  /** File name of its objects in clusterctl's repository. */
  readonly components: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Flag that says where the probes are answered. */
  readonly healthFlag: string;
  readonly flags: readonly string[];
}

/** In the order in which they are built and started. */
export const PROVIDERS: readonly Provider[] = [
  {
    label: 'cluster-api',
    name: 'cluster-api',
    type: 'CoreProvider',
    ...CLUSTER_API,
    main: 'core',
    manifests: 'core/config/default',
    components: 'core-components.yaml',
    namespace: 'capi-system',
    serviceAccount: 'capi-manager',
    healthFlag: 'health-addr',
    flags: ['--feature-gates=MachinePool=true,ClusterTopology=true'],
  },
  {
    label: 'bootstrap-kubeadm',
    name: 'kubeadm',
    type: 'BootstrapProvider',
    ...CLUSTER_API,
    main: 'bootstrap/kubeadm',
    manifests: 'bootstrap/kubeadm/config/default',
    components: 'bootstrap-components.yaml',
    namespace: 'capi-kubeadm-bootstrap-system',
    serviceAccount: 'capi-kubeadm-bootstrap-manager',
    healthFlag: 'health-addr',
    flags: ['--feature-gates=MachinePool=true,KubeadmBootstrapFormatIgnition=true'],
  },
  {
    label: 'control-plane-kubeadm',
    name: 'kubeadm',
    type: 'ControlPlaneProvider',
    ...CLUSTER_API,
    main: 'controlplane/kubeadm',
    manifests: 'controlplane/kubeadm/config/default',
    components: 'control-plane-components.yaml',
    namespace: 'capi-kubeadm-control-plane-system',
    serviceAccount: 'capi-kubeadm-control-plane-manager',
    healthFlag: 'health-addr',
    flags: ['--feature-gates=MachinePool=true,ClusterTopology=true,KubeadmBootstrapFormatIgnition=true'],
  },
  {
    label: 'ipam-in-cluster',
    name: 'in-cluster',
    type: 'IPAMProvider',
    ...IN_CLUSTER_IPAM,
    main: '',
    manifests: 'config/default',
    components: 'ipam-components.yaml',
    namespace: 'capi-ipam-in-cluster-system',
    serviceAccount: 'capi-ipam-in-cluster-controller-manager',
    healthFlag: 'health-probe-bind-address',
    flags: [],
  },
];
