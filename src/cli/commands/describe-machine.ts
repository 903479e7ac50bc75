/** `caplv describe machine`: all there is to know of one machine, for a person who looks for a cause. */

import { type Machine, MachineKind, storedMachineSpec } from '../../api/kinds/machine.ts';
import { memoryMiB } from '../../api/kinds/machine-provider-spec.ts';
import { redact } from '../../api/manifest/redact.ts';
import { formatDuration } from '../../system/duration.ts';
import { parseState, type StateResource } from '../../terraform/format/state.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import { formatTable } from '../output/table.ts';
import { isForCluster, withCluster } from '../session/cluster-session.ts';
import type { DescribeFlags } from '../session/describe-request.ts';
import { notFound } from '../session/errors.ts';
import { withContext } from '../session/local-session.ts';
import { observeAll } from '../session/refresh-status.ts';

export async function describeMachine(name: string, flags: DescribeFlags): Promise<number> {
  if (isForCluster(flags)) return describeInCluster(name, flags);
  return withContext(flags, async (context) => {
    const { engine, config, terminal } = context;
    const key = { namespace: config.namespace, name };
    const look = () => engine.store.get(MachineKind, key);
    const known = await look();
    if (known) await observeAll(context, [known]);
    const machine = await look();
    if (!machine) throw notFound(MachineKind, name, config.namespace);
    const { workspace } = engine.workspaces.machine(key);
    const resources = (await engine.terraform.state(workspace))?.resources ?? [];
    if (flags.output) {
      const rows = resources.map(({ address, attributes, tainted }) => ({
        address,
        id: attributes['id'],
        tainted,
      }));
      terminal.out(
        formatData(
          { machine: redact(machine), terraform: { directory: workspace.dir, resources: rows } },
          flags.output,
        ),
      );
    } else {
      terminal.out(description(machine, resources, workspace.dir));
    }
    return EXIT.ok;
  });
}

async function describeInCluster(
  name: string,
  flags: DescribeFlags & { readonly kubeconfig: string },
): Promise<number> {
  return withCluster(flags, async ({ cluster, config, terminal }) => {
    const { namespace } = config;
    const machine = await cluster.store.get(MachineKind, { namespace, name });
    if (!machine) throw notFound(MachineKind, name, namespace);
    const { workspace, place } = cluster.workspaces.machine({ namespace, name });
    const resources = parseState((await workspace.kubernetes?.readState()) ?? '')?.resources ?? [];
    if (flags.output) {
      const rows = resources.map(({ address, attributes, tainted }) => ({
        address,
        id: attributes['id'],
        tainted,
      }));
      const data = { machine: redact(machine), terraform: { state: place, resources: rows } };
      terminal.out(formatData(data, flags.output));
    } else {
      terminal.out(description(machine, resources, place));
    }
    return EXIT.ok;
  });
}

function description(machine: Machine, resources: readonly StateResource[], dir: string): string {
  const { metadata, spec, status = {} } = machine;
  const provider = status.providerStatus;
  const wanted = storedMachineSpec(machine);
  const operation = status.lastOperation;
  const lines = [
    ['Name:', metadata.name],
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
