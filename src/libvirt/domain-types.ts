/** Reads which kinds of domains, machine types and firmware a host supports. */

import type { Answer, Virsh } from './virsh.ts';
import { readXml, XmlElement } from './xml.ts';

/** Describes which domains a host can run. */
export interface DomainTypes {
  /** KVM works: libvirt has started QEMU with it. That /dev/kvm exists is not enough, nested machines have it and fail. */
  readonly kvm: boolean;
  /** QEMU without KVM (TCG): works everywhere, slowly. */
  readonly qemu: boolean;
  /** Names for `machine`, for example `q35`, `pc`, `pc-i440fx-7.2`. */
  readonly machines: readonly string[];
  /** UEFI firmware installed on the host; empty when there is none. */
  readonly uefi: readonly UefiFirmware[];
  /** Kinds of graphical console that QEMU was built with, for example `vnc`; empty where libvirt does not say. */
  readonly graphics: readonly string[];
}

export interface UefiFirmware {
  readonly loader: string;
  /** Absent when the loader's name follows none of the known patterns. */
  readonly nvramTemplate?: string | undefined;
}

/** Limits the call: on a host whose KVM is broken libvirt probes QEMU again each time, for 8 s. */
const PROBE_LIMIT_MS = 60_000;

export async function domainTypes(virsh: Virsh): Promise<DomainTypes> {
  const [host, domain] = (await virsh.batch([['capabilities'], ['domcapabilities']], {
    timeoutMs: PROBE_LIMIT_MS,
  })) as [Answer, Answer];
  if (host.error) throw host.error;
  // Drivers other than QEMU have no domain capabilities.
  const read = () => parseDomainTypes(host.text, domain.error ? '' : domain.text);
  return readXml(virsh, ['capabilities'], 'what the host can run', read);
}

/** Reads the outputs of `virsh capabilities` and `virsh domcapabilities`. */
export function parseDomainTypes(capabilities: string, domainCapabilities: string): DomainTypes {
  const root = XmlElement.parse(capabilities, 'capabilities');
  const hostArch = root.child('host').child('cpu').child('arch').text;
  const arch = root
    .children('guest')
    .filter((guest) => guest.child('os_type').text === 'hvm')
    .map((guest) => guest.child('arch'))
    .find((candidate) => candidate.attribute('name') === hostArch);
  const domains = arch?.children('domain') ?? [];
  const types = domains.map((domain) => domain.attribute('type'));
  const machines = [arch, ...domains].flatMap((element) => element?.children('machine') ?? []);
  return {
    kvm: types.includes('kvm'),
    qemu: types.includes('qemu'),
    machines: [...new Set(machines.flatMap((machine) => machine.text ?? []))],
    uefi: parseUefi(domainCapabilities),
    graphics: parseGraphics(domainCapabilities),
  };
}

function parseUefi(domainCapabilities: string): UefiFirmware[] {
  const loader = XmlElement.parse(domainCapabilities, 'domainCapabilities').child('os').child('loader');
  return loader
    .children('value')
    .flatMap(({ text }) => (text ? [{ loader: text, nvramTemplate: nvramTemplate(text) }] : []));
}

function parseGraphics(domainCapabilities: string): string[] {
  const devices = XmlElement.parse(domainCapabilities, 'domainCapabilities').child('devices');
  return devices
    .child('graphics')
    .children('enum')
    .filter((one) => one.attribute('name') === 'type')
    .flatMap((one) => one.children('value'))
    .flatMap(({ text }) => text ?? []);
}

/**
 * Derives the NVRAM template from the name of the loader, since libvirt reports only loaders. Distributions name the pair alike:
 * OVMF_CODE_4M.fd and OVMF_VARS_4M.fd, AAVMF likewise. The loader with Secure Boot shares the template of the other.
 */
function nvramTemplate(loader: string): string | undefined {
  const template = loader.replace(/_CODE(?=[^/]*$)/, '_VARS').replace('.secboot', '');
  return /_VARS[^/]*$/.test(template) ? template : undefined;
}
