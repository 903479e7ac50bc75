/** Checks an intent against the host, before anything runs: pool and network exist and are active, vCPUs and memory suffice. */

import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError, TransientError } from '../errors.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import { virshCommand } from '../libvirt/virsh-command.ts';
import type { MachineIntent } from './hosted-intent.ts';
import type { UsedPart } from './policy-check.ts';

/** Throws TerminalError PoolNotFound, NetworkNotFound or InsufficientCapacity with the field's path below `path`. */
export function preflight(
  intent: MachineIntent,
  spec: Pick<LibvirtMachineProviderSpec, 'memoryMiB'>,
  facts: HostFacts,
  path: string,
): void {
  for (const { what, name, path: field } of usedParts(intent, path)) {
    requireActive(what, name, what === 'pool' ? facts.pools : facts.networks, field, intent.uri);
  }
  const { vcpu, memoryMiB } = intent.domain;
  if (vcpu > facts.cpus) throw tooMuch(`${path}.vcpu`, `${vcpu} vCPUs`, `${facts.cpus} CPUs`, intent.uri);
  if (memoryMiB > facts.memoryMiB) {
    const field = spec.memoryMiB === undefined ? 'memoryInGB' : 'memoryMiB';
    throw tooMuch(`${path}.${field}`, `${memoryMiB} MiB of memory`, `${facts.memoryMiB} MiB`, intent.uri);
  }
}

/** Lists the pools and networks that a machine uses, with their fields below `path`. */
export function usedParts({ rootDisk, disks, interfaces }: MachineIntent, path: string): UsedPart[] {
  const pools = new Map([
    [rootDisk.pool, `${path}.pool`],
    ...disks.flatMap((disk, index): [string, string][] =>
      disk.kind === 'new' ? [[disk.pool, `${path}.disks[${index}].pool`]] : [],
    ),
  ]);
  return [
    ...[...pools].map(([name, field]) => ({ what: 'pool', name, path: field }) as const),
    ...interfaces.flatMap((nic, index): UsedPart[] =>
      nic.kind === 'network'
        ? [{ what: 'network', name: nic.network, path: `${path}.interfaces[${index}].network` }]
        : [],
    ),
  ];
}

function requireActive(
  what: 'pool' | 'network',
  name: string,
  there: readonly { readonly name: string; readonly active: boolean }[],
  path: string,
  uri: string,
): void {
  const found = there.find((item) => item.name === name);
  if (found?.active) return;
  const code = what === 'pool' ? 'PoolNotFound' : 'NetworkNotFound';
  const command = what === 'pool' ? 'pool' : 'net';
  const missing = { kind: 'onHost', anyOf: [{ what, uri, name }] } as const;
  if (found) {
    throw new TransientError({
      code,
      path,
      message: `${what} "${name}" of ${uri} is not active`,
      fix: `start it: ${virshCommand(uri, `${command}-start`, name)}`,
      retryAfterMs: 10_000,
      missing,
    });
  }
  const names = there.map((item) => item.name).join(', ');
  throw new TerminalError({
    code,
    path,
    message: `${uri} has no ${what} "${name}"`,
    fix: [
      ...(names ? [`use an existing one (${names})`] : []),
      ...(name === 'default' ? ['run caplv doctor --fix'] : []),
      'let the Cluster create it',
    ].join(', or '),
    missing,
  });
}

function tooMuch(path: string, wanted: string, there: string, uri: string): TerminalError {
  return new TerminalError({
    code: 'InsufficientCapacity',
    path,
    message: `the machine wants ${wanted}, and ${uri} has ${there}`,
    fix: 'ask for less, or use a larger host',
  });
}
