/** Finds and observes domains, one or many in one virsh process. */

import { shortLines } from '../system/line-stream.ts';
import { Turn } from '../system/turn.ts';
import { type DomainAddress, parseAddresses } from './addresses.ts';
import { type DomainDefinition, type DomainObservation, parseDomain, parseState } from './domain.ts';
import type { DomainXmlCache } from './domain-cache.ts';
import { type Lease, leasedAddresses, parseLeases } from './leases.ts';
import type { LibvirtError } from './libvirt-error.ts';
import { parseReservations, type Reservation, withReservations } from './reservations.ts';
import type { Answer, RunOptions, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { copyDetached, readXml, UnreadableXml, unreadable } from './xml.ts';

export interface DomainId {
  readonly uuid: string;
  readonly name: string;
}

/** Reads the output of `virsh -q list --all --uuid --name`. */
export function parseDomainList(text: string): DomainId[] {
  return shortLines(text).flatMap((line) => {
    const [, uuid, name] = /^\s*([0-9a-f-]{36})\s+(.*?)\s*$/.exec(line) ?? [];
    return uuid && name ? [{ uuid, name }] : [];
  });
}

/**
 * Returns the UUID of the domain of exactly this name. virsh takes a name for an id or a UUID when it looks like one, so all commands
 * that change a domain have to name it by UUID.
 */
export async function findDomain(
  virsh: Virsh,
  name: string,
  options?: RunOptions,
): Promise<DomainId | undefined> {
  const domains = parseDomainList(await virsh.run(['list', '--all', '--uuid', '--name'], options));
  return domains.find((domain) => domain.name === name);
}

/** Observes one domain, in one process. `asked`: the result of `askFor`, if there is one. */
export async function observeDomain(
  virsh: Virsh,
  name: string,
  options?: RunOptions,
  asked = askFor(virsh, [name], options)[0],
): Promise<DomainObservation | undefined> {
  const observed = await asked;
  if (observed === undefined || observed.name === name) return observed;
  const exact = await findDomain(virsh, name, options);
  return exact && askFor(virsh, [exact.uuid], options)[0];
}

/** Reads domains by names as virsh takes them, in one process; see `findDomain`. */
export function askFor(
  virsh: Virsh,
  keys: readonly string[],
  options?: RunOptions,
): Promise<DomainObservation | undefined>[] {
  if (keys.length === 0) return [];
  const questions = keys.map((key): Command[] => {
    const domain = `--domain=${key}`;
    return [
      ['dumpxml', domain],
      ['domstate', domain, '--reason'],
      ['domifaddr', domain, '--full', '--source=lease'],
    ];
  });
  // One list for all, since dominfo takes as long as everything else; last, so that a domain that is just being defined is not missed.
  const lists = [listOf('--autostart'), listOf('--persistent')];
  const answering = virsh.batch([...questions.flat(), ...lists], options);
  return keys.map(async (key, i) => {
    const answers = await answering;
    const [xml, state, addresses] = answers.slice(3 * i);
    const [autostart, persistent] = answers.slice(-2);
    const there = found(xml, state);
    if (!there) return undefined;
    return assemble(readDomain(virsh, key, there.xml), there.state, {
      autostart: (uuid) => autostart?.text.includes(uuid) ?? false,
      persistent: (uuid) => persistent?.text.includes(uuid) ?? false,
      // An error of domifaddr means that the domain is off.
      addresses: () => parseAddresses(addresses?.text ?? '', 'lease'),
    });
  });
}

function listOf(flag: '--autostart' | '--persistent'): Command {
  return ['list', '--all', flag, '--uuid'];
}

export interface ObserveOptions extends RunOptions {
  /** Called for each domain that cannot be read, which then is left out. Absent: it is an error. */
  readonly onUnreadable?: (error: LibvirtError, name: string) => void;
}

/**
 * Returns all domains of the host, in two processes: one for the names, one for everything about them. Domains that vanish in
 * between are left out.
 */
export async function observeDomains(
  virsh: Virsh,
  definitions: DomainXmlCache,
  options: ObserveOptions = {},
): Promise<DomainObservation[]> {
  const [list, autostart, persistent, networks] = (await virsh.batch(
    [
      ['list', '--all', '--uuid', '--name'],
      listOf('--autostart'),
      listOf('--persistent'),
      ['net-list', '--name'],
    ],
    options,
  )) as [Answer, Answer, Answer, Answer];
  if (list.error) throw list.error;
  const domains = parseDomainList(list.text);
  const names = parseNames(networks.text);

  const answers = await virsh.batch(
    [
      ...names.map((name): Command => ['net-dhcp-leases', `--network=${name}`]),
      ...names.flatMap((name): Command[] => [
        ['net-dumpxml', `--network=${name}`],
        ['net-dumpxml', `--network=${name}`, '--inactive'],
      ]),
      ...domains.flatMap(({ uuid }): Command[] => [
        ['dumpxml', `--domain=${uuid}`],
        ['domstate', `--domain=${uuid}`, '--reason'],
      ]),
    ],
    options,
  );
  const turn = new Turn();
  const leases: Lease[][] = [];
  for (const { text } of answers.splice(0, names.length)) {
    leases.push(parseLeases(text));
    await turn.yieldIfLong();
  }
  const reservations = await reservationsIn(names, answers.splice(0, 2 * names.length), turn);
  const there = domains.flatMap(({ name }, i) => {
    const one = found(answers[2 * i], answers[2 * i + 1]);
    return one ? { ...one, name } : [];
  });
  const read = await definitions.read(there.map(({ xml }) => xml));
  const autostarted = new Set(parseNames(autostart.text));
  const defined = new Set(parseNames(persistent.text));
  const leasesOf = Map.groupBy(leases.flat(), ({ mac }) => mac);
  return there.flatMap(({ name, state }, i) => {
    const definition = read[i];
    if (definition === undefined || definition instanceof UnreadableXml) {
      const error = unreadable(virsh, dumpOf(name), `domain ${name}`, definition);
      if (!options.onUnreadable) throw error;
      options.onUnreadable(error, name);
      return [];
    }
    const domain = assemble(definition, state, {
      autostart: (uuid) => autostarted.has(uuid),
      persistent: (uuid) => defined.has(uuid),
      addresses: (macs) =>
        leasedAddresses(
          [...new Set(macs)].flatMap((mac) => leasesOf.get(mac) ?? []),
          macs,
        ),
    });
    const interfaces = withReservations(domain.interfaces, reservations);
    return interfaces === domain.interfaces ? domain : { ...domain, interfaces };
  });
}

/** Returns the reservations by network, as it runs and as it is stored; none for a network that cannot be read. */
async function reservationsIn(
  names: readonly string[],
  answers: readonly Answer[],
  turn: Turn,
): Promise<Map<string, { live: Reservation[] | undefined; stored: Reservation[] | undefined }>> {
  const entries = (answer: Answer | undefined) => {
    try {
      return answer && !answer.error ? parseReservations(answer.text) : undefined;
    } catch (error) {
      if (error instanceof UnreadableXml) return undefined;
      throw error;
    }
  };
  const networks = new Map<string, { live: Reservation[] | undefined; stored: Reservation[] | undefined }>();
  for (const [i, name] of names.entries()) {
    const live = entries(answers[2 * i]);
    await turn.yieldIfLong();
    networks.set(name, { live, stored: entries(answers[2 * i + 1]) });
    await turn.yieldIfLong();
  }
  return networks;
}

function readDomain(virsh: Virsh, name: string, xml: string): DomainDefinition {
  return readXml(virsh, dumpOf(name), `domain ${name}`, () => parseDomain(xml));
}

function dumpOf(name: string): Command {
  return ['dumpxml', `--domain=${name}`];
}

/** Reads the output of a `--name` list: a name a line, padded with blanks. */
export function parseNames(text: string): string[] {
  return text.split('\n').flatMap((line) => line.trim() || []);
}

interface FromElsewhere {
  autostart(uuid: string): boolean;
  persistent(uuid: string): boolean;
  addresses(macs: readonly string[]): DomainAddress[];
}

/** Returns the observation of one domain; undefined: it does not exist. */
function found(
  xml: Answer | undefined,
  state: Answer | undefined,
): { readonly xml: string; readonly state: string } | undefined {
  for (const answer of [xml, state]) {
    if (answer === undefined || answer.error?.code === 'notFound') return undefined;
    if (answer.error) throw answer.error;
  }
  return { xml: xml?.text ?? '', state: state?.text ?? '' };
}

function assemble(definition: DomainDefinition, stateText: string, rest: FromElsewhere): DomainObservation {
  const state = parseState(stateText);
  const macs = definition.interfaces.map(({ mac }) => mac);
  return {
    ...definition,
    ...state,
    autostart: rest.autostart(definition.uuid),
    persistent: rest.persistent(definition.uuid),
    addresses: state.state === 'shutoff' ? [] : copyDetached(rest.addresses(macs)),
  };
}
