/** Lists the readers of what libvirt, virsh and the Terraform provider answer. */

import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { classify } from '../../src/actuator/context/classify-error.ts';
import { CaplvError } from '../../src/errors.ts';
import { readMark, readVolumeName } from '../../src/intent/names.ts';
import { isReachable, parseAddresses } from '../../src/libvirt/addresses.ts';
import { parseState } from '../../src/libvirt/domain.ts';
import { DomainXmlCache } from '../../src/libvirt/domain-cache.ts';
import { observeDomains, parseDomainList, parseNames } from '../../src/libvirt/domain-query.ts';
import { parseDomainTypes } from '../../src/libvirt/domain-types.ts';
import { parseEvent } from '../../src/libvirt/events.ts';
import { parseDevices } from '../../src/libvirt/host-devices.ts';
import { hostFacts, parseVolumeList } from '../../src/libvirt/host-facts.ts';
import { hostInventory } from '../../src/libvirt/inventory.ts';
import { parseLeases } from '../../src/libvirt/leases.ts';
import { LibvirtError } from '../../src/libvirt/libvirt-error.ts';
import { networkAddresses, parseRanges, parseReservations } from '../../src/libvirt/reservations.ts';
import type { Virsh } from '../../src/libvirt/virsh.ts';
import type { Command } from '../../src/libvirt/virsh-command.ts';
import { parseVolume } from '../../src/libvirt/volume.ts';
import { UnreadableXml } from '../../src/libvirt/xml.ts';
import { linesOf } from '../../src/system/line-stream.ts';
import { TerraformError } from '../../src/terraform/run/terraform-error.ts';
import { fixture } from '../libvirt/fixture.ts';
import { tableText } from './inputs/table.ts';
import { xmlText } from './inputs/xml.ts';
import { type Reader, reader, refusedBy, require } from './reader.ts';

const DOMAINS = ['dumpxml-running.xml', 'dumpxml-shutoff.xml'].map(fixture);
const NETWORK = `<network connections='1'>
  <name>default</name><uuid>5e6a1f2c-0000-4000-8000-000000000001</uuid>
  <forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/><host mac='52:54:00:00:00:11' name='a' ip='192.168.122.9'/></dhcp>
  </ip>
</network>`;
const POOL = `<pool type='dir'><name>default</name><uuid>5e6a1f2c-0000-4000-8000-000000000002</uuid>
  <capacity unit='bytes'>1000</capacity><available unit='bytes'>10</available><target><path>/pool</path></target></pool>`;
const OTHERS = [
  NETWORK,
  POOL,
  ...['vol-dumpxml-overlay.xml', 'capabilities-tcg.xml', 'domcapabilities.xml'].map(fixture),
];

const ROWS = [
  ' 5e6a1f2c-0000-4000-8000-000000000001 default.web',
  ' 2026-11-23 15:15:34   52:54:00:00:00:11   ipv4   192.168.122.43/24   caplv-guest   01:52:54:00:00:00:11',
  ' vnet3      52:54:00:00:00:11    ipv4         192.168.122.43/24',
  ' eth0       52:54:00:00:00:11    ipv6         fe80::1/64',
  ' default.web.1b9d6bcd-root.qcow2   /pool/default.web.1b9d6bcd-root.qcow2',
  ' web.qcow2   /pool/web.qcow2',
  'shut off (destroyed)',
  "2026-11-23 15:14:39.045+0000: event 'lifecycle' for domain 'web-1': Started Booted",
  'CPU(s):              8',
  'CPU model:           x86_64',
  'total  :            12345 KiB',
  'Running hypervisor: QEMU 7.2.22',
  'caplv machine default/web uid 1b9d6bcd-0000-4000-8000-000000000001 installation x',
  'default',
];
const WORDS = [
  ...[
    'error: ',
    'failed to connect to the hypervisor',
    "Failed to connect socket to '/run/x': No such file",
    'Permission denied (publickey)',
  ],
  ...[
    'polkit ',
    'timed out',
    'connect',
    'certificate',
    "pool 'a' is not active",
    ' not found: no ',
    'storage pool ',
    'network ',
  ],
  ...[
    'Get "https://h/apis/x": ',
    'GET "http://h/',
    'https://a:b@h/p?q=secret',
    '{',
    '}',
    '0xc000123456',
    '<nil>',
    'map[',
    '&{',
    '[ERROR] ',
    '$',
  ],
];

/** Characters that a host of these tests says at most; of a real one OUTPUT_CHARACTERS are read. */
const SAID_CHARACTERS = 16 * 2 ** 20;

/** Answers each command with the next of these texts, up to the limit on what is read of virsh. */
function virshSaying(texts: readonly string[]): Virsh {
  let [next, characters] = [0, 0];
  const say = (command: Command) => {
    next += 1;
    const text = texts[(next - 1) % texts.length] ?? '';
    const isXml = command[0].endsWith('dumpxml');
    const other = texts.find((one) => one.startsWith('<') === isXml) ?? text;
    const said = text.startsWith('<') === isXml ? text : other;
    characters += said.length;
    return { text: characters > SAID_CHARACTERS ? '' : said, error: undefined };
  };
  return {
    uri: 'qemu:///system',
    run: async (command: Command) => say(command).text,
    batch: async (commands: readonly Command[]) => commands.map(say),
  } as unknown as Virsh;
}

export const HOST_READERS: readonly Reader[] = [
  reader({
    name: 'definitions of domains',
    runs: 2_000,
    inputs: xmlText(...DOMAINS),
    async read(xml) {
      const [domain] = await new DomainXmlCache().read([xml]);
      if (domain instanceof UnreadableXml) return 'refused';
      require(typeof domain?.name === 'string' && typeof domain.uuid === 'string', 'a domain that is none');
      require(domain.interfaces.every(({ mac }) => typeof mac === 'string'), 'an interface that is none');
      readMark(domain.description);
      return 'read';
    },
  }),
  reader({
    name: 'definitions of networks, pools, volumes and capabilities',
    runs: 2_000,
    inputs: xmlText(...OTHERS),
    async read(xml) {
      const readers = [parseReservations, parseRanges, (text: string) => parseVolume('pool', text)];
      const all = [...readers, (text: string) => parseDomainTypes(text, text)];
      const outcomes = await Promise.all(all.map((one) => refusedBy([UnreadableXml], () => one(xml))));
      return outcomes.includes('read') ? 'read' : 'refused';
    },
  }),
  reader({
    name: 'tables of virsh, events and answers of guest agents',
    runs: 2_000,
    inputs: tableText(...ROWS),
    async read(text) {
      const leases = parseLeases(text);
      for (const { expiresAt, address } of leases)
        require(expiresAt instanceof Date && address !== '', 'no lease');
      const addresses = parseAddresses(text, 'agent');
      for (const { address } of addresses) isReachable(address);
      const volumes = parseVolumeList('pool', text);
      for (const { name } of volumes) readVolumeName(name);
      readMark(text);
      parseState(text);
      parseDevices(text, text);
      const found = [...parseDomainList(text), ...parseNames(text), ...leases, ...addresses, ...volumes];
      for await (const line of linesOf(Readable.from([Buffer.from(text.slice(0, 1_000_000))])))
        parseEvent(line);
      return found.length > 0 ? 'read' : 'refused';
    },
  }),
  reader({
    name: 'whole hosts',
    runs: 300,
    inputs: fc.array(fc.oneof(xmlText(...DOMAINS), xmlText(...OTHERS), tableText(...ROWS)), {
      minLength: 2,
      maxLength: 6,
    }),
    async read(texts) {
      const says = () => virshSaying(texts);
      const readers = [
        () => observeDomains(says(), new DomainXmlCache(), { onUnreadable: () => undefined }),
        () => hostInventory(says(), new DomainXmlCache()),
        () => hostFacts(says(), { volumesOf: ['default'], networks: ['default'] }),
        () => networkAddresses(says(), ['default']),
      ];
      const outcomes: string[] = [];
      for (const read of readers) {
        // Each is a question of its own to a host.
        await setImmediate();
        outcomes.push(await refusedBy([LibvirtError], read));
      }
      return outcomes.includes('read') ? 'read' : 'refused';
    },
  }),
  reader({
    name: 'errors of virsh, terraform and servers',
    runs: 2_000,
    inputs: tableText(...WORDS),
    read(text) {
      const failed = LibvirtError.fromStderr('qemu+ssh://root@rack1/system', 'list', text);
      const diagnostic = { severity: 'error', summary: text.slice(0, 500), detail: text } as const;
      const messages = [{ type: 'diagnostic', at: 0, diagnostic }] as const;
      const outcome = { messages, exitCode: 1, stderr: text } as unknown as ConstructorParameters<
        typeof TerraformError
      >[1];
      for (const error of [failed, new TerraformError('apply', outcome)]) {
        const known = classify(error);
        require(known instanceof CaplvError, 'a failure without a code');
        require(known.message.length < 10_000, 'a message without an end');
      }
      return 'refused';
    },
  }),
];
