/** `caplv state`: the Terraform state of a machine or host, wherever it is kept. */

import { SECRET_ATTRIBUTES } from '../../app/engine.ts';
import { TerminalError } from '../../errors.ts';
import { redactUri } from '../../libvirt/host-uri.ts';
import { parseState, type StateResource } from '../../terraform/format/state.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import type { Streams } from '../output/streams.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { machineKey, machineNotFound } from '../session/machine-name.ts';
import { withSession } from '../session/session.ts';
import { findHomes, isHost, stateText } from '../session/state-subject.ts';

export interface ShowFlags extends ClusterFlags {
  readonly output?: 'json' | 'yaml';
}

/** The state as Terraform wrote it, secrets and all. */
export async function pullState(name: string, flags: ClusterFlags): Promise<number> {
  return withState(name, flags, ([text], terminal) => terminal.out(text));
}

/** Addresses of the resources in it, one a line. */
export async function listState(name: string, flags: ClusterFlags): Promise<number> {
  return withState(name, flags, (texts, terminal) => {
    for (const { address } of texts.flatMap(resourcesOf)) terminal.out(address);
  });
}

/** Attributes of its resources, or of one, without secrets. */
export async function showState(
  name: string,
  address: string | undefined,
  flags: ShowFlags,
): Promise<number> {
  return withState(name, flags, (texts, terminal) => {
    const all = texts.flatMap(resourcesOf);
    const wanted = all.filter((one) => address === undefined || one.address === address);
    if (wanted.length === 0 && address !== undefined) throw noResource(name, address, all);
    const shown = Object.fromEntries(wanted.map((one) => [one.address, withoutSecrets(one)]));
    terminal.out(formatData(address === undefined ? shown : shown[address], flags.output ?? 'yaml'));
  });
}

async function withState(
  name: string,
  flags: ClusterFlags,
  work: (texts: readonly [string, ...string[]], terminal: Streams) => void,
): Promise<number> {
  return withSession(flags, async ({ workspaces, config, terminal }) => {
    const { namespace } = config;
    // Of a host one for its networks and pools, and one for each base image.
    const homes = await findHomes(workspaces, name, config);
    const [first, ...more] = (await Promise.all(homes.map(stateText))).filter((text) => text !== '');
    if (first === undefined) throw isHost(name) ? noHost(name) : machineNotFound(machineKey(namespace, name));
    work([first, ...more], terminal);
    return EXIT.ok;
  });
}

function resourcesOf(text: string): readonly StateResource[] {
  return parseState(text)?.resources ?? [];
}

function withoutSecrets({ type, attributes }: StateResource): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, SECRET_ATTRIBUTES.includes(`${type}.${name}`) ? '(hidden)' : value]),
  );
}

function noHost(uri: string): TerminalError {
  return new TerminalError({
    code: 'NotFound',
    message: `no host-level Terraform state was found for ${redactUri(uri)}`,
    fix: 'use the URI just as the Cluster has it: caplv get clusters -o yaml; a host without managed network, pool or image has none; in a cluster they are in the namespace of the controller: --namespace caplv-system',
  });
}

function noResource(name: string, address: string, all: readonly StateResource[]): TerminalError {
  return new TerminalError({
    code: 'NotFound',
    message: `the state of "${name}" has no resource "${address}"`,
    fix: `use one of ${all.map((one) => one.address).join(', ')}`,
  });
}
