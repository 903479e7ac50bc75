/** The kinds of `infrastructure.cluster.x-k8s.io`, which have CRDs of their own. */

import type { ApiKind } from '../kinds/kind.ts';
import { LibvirtClusterKind, LibvirtClusterTemplateKind } from './libvirt-cluster.ts';
import { LibvirtMachineKind, LibvirtMachineTemplateKind } from './libvirt-machine.ts';

export const INFRASTRUCTURE_KINDS: readonly ApiKind[] = [
  LibvirtClusterKind,
  LibvirtClusterTemplateKind,
  LibvirtMachineKind,
  LibvirtMachineTemplateKind,
];
