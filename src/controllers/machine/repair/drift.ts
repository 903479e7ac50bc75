/** What the observer can see of drift without a Terraform run. */

import type { InterfaceIntent } from '../../../../stacks/intent.ts';
import { memoryMiB } from '../../../api/kinds/machine-provider-spec.ts';
import { interfacesOf } from '../../../intent/machine-intent.ts';
import { objectName } from '../../../intent/names.ts';
import { wantedReservations } from '../../../intent/reservations.ts';
import { type DomainInterface, type DomainObservation, isOn } from '../../../libvirt/domain.ts';
import type { PlacedMachine } from '../scope/placed-machine.ts';
import type { Drift } from './policy.ts';

/** How the domain is not as specified; undefined: it is, as far as libvirt shows. */
export function visibleDrift(
  placed: PlacedMachine,
  observed: DomainObservation | undefined,
): Drift | undefined {
  if (!observed) return { kind: 'lost', text: 'the domain is gone', detail: 'the domain is gone' };
  const { spec } = placed;
  const text = `the domain is ${observed.state}`;
  const detail = observed.reason === '' ? text : `${text} (${observed.reason})`;
  // libvirt pauses a guest whose disk is full, too: whoever resumes it has to know why.
  if (spec.running && (observed.state === 'paused' || observed.state === 'pmsuspended'))
    return { kind: 'paused', text, detail };
  if (isOn(observed) !== spec.running) return { kind: 'stopped', text, detail };

  const size = memoryMiB(spec);
  const inPlace: string[] = [];
  const byReplacement: string[] = [];
  if (observed.autostart !== spec.autostart)
    inPlace.push(`autostart is ${observed.autostart ? 'on' : 'off'}`);
  if (observed.vcpu !== spec.vcpu) byReplacement.push(`the domain has ${observed.vcpu} vCPUs`);
  if (observed.memoryMiB !== size) byReplacement.push(`the domain has ${observed.memoryMiB} MiB of memory`);
  inPlace.push(...lostReservations(placed, observed));
  // `terraform` may have changed the devices to whatever its author wants.
  if (spec.terraform === undefined) byReplacement.push(...deviceDifferences(placed, observed));
  const all = [...inPlace, ...byReplacement];
  if (all.length === 0) return undefined;
  const together = all.join(', ');
  return { kind: 'changed', text: together, detail: together, replacesDomain: byReplacement.length > 0 };
}

/** Fixed addresses that no network keeps for the machine any more: the provider does not read them back. */
function lostReservations(
  { machine, identity, spec, site }: PlacedMachine,
  { interfaces }: DomainObservation,
): string[] {
  const nics = interfacesOf(identity, spec, site, machine.status?.providerStatus?.pinned?.macs);
  return wantedReservations({ name: objectName(identity), interfaces: nics }).flatMap(
    ({ index, network, address }) => {
      const found = interfaces[index];
      if (found?.network !== network || found.reserved?.includes(address)) return [];
      return `network ${network} has no reservation of ${address} for interface ${index}`;
    },
  );
}

function deviceDifferences(
  { machine, identity, spec, site }: PlacedMachine,
  { interfaces, disks }: DomainObservation,
): string[] {
  const wanted = interfacesOf(identity, spec, site, machine.status?.providerStatus?.pinned?.macs);
  const found = disks.filter(({ device }) => device === 'disk').length;
  const asked = 1 + (spec.disks?.length ?? 0);
  return [
    ...(interfaces.length === wanted.length
      ? wanted.flatMap((nic, index) => interfaceDifference(nic, interfaces[index], index) ?? [])
      : [`the domain has ${interfaces.length} interfaces, not ${wanted.length}`]),
    ...(found === asked ? [] : [`the domain has ${found} disks, not ${asked}`]),
  ];
}

function interfaceDifference(
  wanted: InterfaceIntent,
  found: DomainInterface | undefined,
  index: number,
): string | undefined {
  const mac = wanted.mac ?? wanted.assignedMac;
  if (mac !== undefined && found?.mac !== mac) return `interface ${index} has the MAC ${found?.mac}`;
  const there = found?.network ?? found?.bridge ?? found?.device;
  const asked = { network: 'network', bridge: 'bridge', macvtap: 'device' } as const;
  const place = found?.[asked[wanted.kind]];
  const name =
    wanted.kind === 'network' ? wanted.network : wanted.kind === 'bridge' ? wanted.bridge : wanted.device;
  return place === name ? undefined : `interface ${index} is on ${there}, not on ${name}`;
}
