/** Compares a cluster and its hosts with the desired state. */

import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import { SecretKind } from '../../src/api/kinds/secret.ts';
import { domainName, isImageVolume } from '../../src/intent/names.ts';
import { LeaseKind } from '../../src/kube/client/lease.ts';
import type { ClusterLab } from '../cluster/cluster-lab.ts';

const STATE = /^tfstate-(.+)-caplv$/;

/**
 * What differs from a lab in which each Machine is ready and has its domain, its state and volumes of these roles, and in which
 * there is nothing else and no lock is held. Empty: all is as it should be.
 */
export async function differences(lab: ClusterLab, roles: readonly string[]): Promise<string[]> {
  const { items } = await lab.client.list(MachineKind);
  const { domains, volumes } = await lab.host();
  const secrets = await lab.client.list({ ...SecretKind, metadataOnly: true });
  const leases = await lab.client.list(LeaseKind);
  const names = items.map(nameOf);
  const states = secrets.items.flatMap(({ metadata: { namespace = '', name } }) => {
    const machine = STATE.exec(name)?.[1];
    return machine === undefined ? [] : domainName({ namespace, name: machine });
  });
  // default.red-1.1b9d6bcd-root.qcow2: by the start of the uid, those of a former machine of that name are seen.
  const ownVolumes = items.flatMap((one) =>
    roles.map((role) => `${nameOf(one)}.${one.metadata.uid?.slice(0, 8)}-${role}`),
  );
  const foundVolumes = volumes
    .filter((name) => !isImageVolume(name))
    .map((name) => name.replace(/-[0-9a-f]{16}$/, ''));
  const held = leases.items.filter(
    ({ metadata, spec }) => metadata.name.startsWith('lock-') && spec.holderIdentity,
  );
  return [
    ...items.flatMap(unready),
    ...compare('domain', names, domains),
    ...compare('state', names, states),
    ...compare('volume', ownVolumes, foundVolumes),
    ...held.map(({ metadata }) => `held: ${metadata.name}`),
  ];
}

function compare(kind: string, wanted: readonly string[], found: readonly string[]): string[] {
  return [
    ...wanted.filter((name) => !found.includes(name)).map((name) => `no ${kind}: ${name}`),
    ...found
      .filter((name, index) => !wanted.includes(name) || found.indexOf(name) !== index)
      .map((name) => `a ${kind} too many: ${name}`),
  ];
}

function unready(machine: Machine): string[] {
  const { metadata, status } = machine;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const isReady = ready?.status === 'True' && status?.observedGeneration === metadata.generation;
  return isReady && !metadata.deletionTimestamp
    ? []
    : [`${nameOf(machine)}: ${ready?.status} ${ready?.reason} ${ready?.message}`];
}

/** Names of the Machines that are not being deleted, sorted. */
export async function machineNames(lab: ClusterLab): Promise<string[]> {
  const { items } = await lab.client.list(MachineKind);
  return items.flatMap(({ metadata }) => (metadata.deletionTimestamp ? [] : metadata.name)).sort();
}

/** The namespace and the hosts as they were before: only the leader's Lease stays. */
export async function remains(lab: ClusterLab): Promise<string[]> {
  const { domains, volumes } = await lab.host();
  const objects = await lab.kubectl('get', 'machines,machinesets,secrets,leases', '-o', 'name');
  const rest = objects.split('\n').filter((name) => name !== 'lease.coordination.k8s.io/caplv-controller');
  return [...domains, ...volumes, ...rest.filter(Boolean)];
}

const nameOf = ({ metadata }: Machine): string =>
  domainName({ namespace: metadata.namespace ?? '', name: metadata.name });
