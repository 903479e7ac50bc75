/** `caplv describe machine`: all there is to know of one machine, for a person who looks for a cause. */

import { type Machine, MachineKind, storedMachineSpec } from '../../api/kinds/machine.ts';
import { memoryMiB } from '../../api/kinds/machine-provider-spec.ts';
import { redact } from '../../api/manifest/redact.ts';
import { objectName } from '../../intent/names.ts';
import { formatDuration } from '../../system/duration.ts';
import { parseState, type StateResource } from '../../terraform/format/state.ts';
import type { Description } from '../objects/description.ts';
import { formatTable } from '../output/table.ts';
import { machineKey, machineNotFound } from '../session/machine-name.ts';
import type { Session } from '../session/session.ts';
import { stateText } from '../session/state-subject.ts';

export async function describeMachine(
  session: Session,
  namespace: string,
  name: string,
): Promise<Description> {
  const { bothApis: store, workspaces } = session;
  const key = machineKey(namespace, name);
  const known = await store.get(MachineKind, key);
  if (known) await session.refresh([known]);
  const machine = known && (await store.get(MachineKind, key));
  if (!machine) throw machineNotFound(key);
  const home = workspaces.machine(key);
  const resources = parseState(await stateText(home))?.resources ?? [];
  const rows = resources.map(({ address, attributes, tainted }) => ({
    address,
    id: attributes['id'],
    tainted,
  }));
  // A directory of one's own, in which terraform can be run, or a Secret.
  const where = home.workspace.kubernetes ? { state: home.place } : { directory: home.place };
  const data = { machine: redact(machine), terraform: { ...where, resources: rows } };
  return { text: description(machine, resources, home.place), data };
}

function description(machine: Machine, resources: readonly StateResource[], dir: string): string {
  const { metadata, spec, status = {} } = machine;
  const provider = status.providerStatus;
  const wanted = storedMachineSpec(machine);
  const operation = status.lastOperation;
  const lines = [
    ['Name:', objectName(metadata)],
    ['Namespace:', metadata.namespace],
    [
      'Age:',
      metadata.creationTimestamp && formatDuration(Date.now() - Date.parse(metadata.creationTimestamp)),
    ],
    ['Phase:', status.phase],
    ['Error:', status.errorReason && `${status.errorReason}: ${status.errorMessage}`],
    ['Addresses:', status.addresses?.map(({ type, address }) => `${address} (${type})`).join(', ')],
    ['Provider ID:', spec.providerID],
    ['Host:', provider?.host && `${provider.host} (${provider.pinned?.uri})`],
    [
      'Domain:',
      provider?.domainName &&
        `${provider.domainName} (${provider.instanceState}, ${provider.pinned?.domainType})`,
    ],
    ['Size:', `${wanted.vcpu} vCPU, ${memoryMiB(wanted)} MiB`],
    ['Image:', wanted.imageURI],
    ['Kubelet:', spec.versions?.kubelet],
    [
      'Last operation:',
      operation &&
        `${operation.type} ${operation.state} at ${operation.lastUpdated}: ${operation.description}`,
    ],
    ['Terraform:', dir],
  ].flatMap(([label = '', value]) => (value ? [`${label.padEnd(16)}${value}\n`] : []));
  const conditions = (status.conditions ?? []).map(
    ({ type, status: value, reason, message, lastTransitionTime }) => [
      `  ${type}`,
      value,
      reason,
      formatDuration(Date.now() - Date.parse(lastTransitionTime)),
      message,
    ],
  );
  return [
    ...lines,
    'Conditions:\n',
    formatTable(['  TYPE', 'STATUS', 'REASON', 'AGE', 'MESSAGE'], conditions),
    'Terraform resources:\n',
    formatTable(
      ['  ADDRESS', 'ID'],
      resources.map(({ address, attributes }) => [`  ${address}`, String(attributes['id'] ?? '')]),
    ),
  ].join('');
}
