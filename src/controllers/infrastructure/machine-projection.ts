/**
 * Shows a LibvirtMachine, with what Cluster API says around it, as the Machine that the phases of a reconcile know; and puts the
 * status that they write into the words of the contract. Pure.
 */

import type { LibvirtMachine, LibvirtMachineStatus } from '../../api/infrastructure/libvirt-machine.ts';
import type { Machine, MachineStatus } from '../../api/kinds/machine.ts';
import { API_VERSION } from '../../api/schema/group.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { withClaimedAddresses } from '../../intent/addresses/pool-claims.ts';
import { infrastructureKey } from '../../intent/names.ts';
import { failureDomainOf, sitesOf } from '../../intent/site.ts';
import { clusterSpecOf } from './cluster-projection.ts';
import { contractConditions, originalConditions, withPause } from './contract-conditions.ts';
import { isPaused, type MachineOwners } from './owners.ts';

const NONE: MachineOwners = { machine: undefined, cluster: undefined, infrastructure: undefined };

/** `owners`: left out where only what the LibvirtMachine itself says is of interest. */
export function asMachine(one: LibvirtMachine, owners: MachineOwners = NONE): Machine {
  const { machine, cluster, infrastructure } = owners;
  const { providerID, repair, interfaces, ...others } = one.spec;
  const claimed = one.status?.providerStatus?.claimedAddresses;
  const spec = { ...others, ...(interfaces && { interfaces: withClaimedAddresses(interfaces, claimed) }) };
  const dataSecretName = machine?.spec.bootstrap?.dataSecretName;
  const failureDomain = machine?.spec.failureDomain;
  // Without labels, by which a MachineSet of the original API could select it.
  const { annotations, labels: _, ...metadata } = one.metadata;
  return {
    apiVersion: API_VERSION,
    kind: 'Machine',
    metadata: {
      ...metadata,
      ...infrastructureKey(keyOf(one)),
      ...withPause(annotations, isPaused(one, cluster)),
      // The set, by which budgets and queues count, is that of the Machine.
      ownerReferences: machine?.metadata.ownerReferences ?? [],
    },
    spec: {
      ...(infrastructure && { clusterName: infrastructureKey(keyOf(infrastructure)).name }),
      providerSpec: { ...spec, ...(failureDomain !== undefined && { failureDomain }) },
      ...(dataSecretName !== undefined && { bootstrap: { dataSecretName } }),
      ...(machine?.spec.version !== undefined && { versions: { kubelet: machine.spec.version } }),
      ...(providerID !== undefined && { providerID }),
      ...(repair !== undefined && { repair }),
    } as unknown as Machine['spec'],
    ...(one.status && { status: machineStatus(one.status) }),
  };
}

function machineStatus(status: LibvirtMachineStatus): MachineStatus {
  const { initialization: _, failureDomain: __, conditions, ...same } = status;
  return { ...same, ...originalConditions(conditions) };
}

/** `now`: RFC 3339. */
export function libvirtMachineStatus(
  one: LibvirtMachine,
  written: MachineStatus,
  owners: MachineOwners,
  now: string,
): LibvirtMachineStatus {
  const { errorReason, errorMessage, nodeRef: _, versions: __, conditions, ...same } = written;
  const { providerStatus } = same;
  const isMade = one.spec.providerID !== undefined && providerStatus?.appliedHash !== undefined;
  const provisioned = isMade || one.status?.initialization?.provisioned === true;
  const failureDomain = placedIn(providerStatus?.pinned?.uri, owners) ?? one.status?.failureDomain;
  return {
    ...same,
    ...(provisioned && { initialization: { provisioned } }),
    ...(failureDomain !== undefined && { failureDomain }),
    conditions: contractConditions(
      { conditions, errorReason, errorMessage, before: one.status?.conditions },
      { paused: isPaused(one, owners.cluster), generation: one.metadata.generation },
      now,
    ),
  };
}

function placedIn(uri: string | undefined, { infrastructure }: MachineOwners): string | undefined {
  if (uri === undefined || !infrastructure?.spec.hosts) return undefined;
  const site = sitesOf(clusterSpecOf(infrastructure), uri).find((one) => one.uri === uri);
  return site && failureDomainOf(site);
}
