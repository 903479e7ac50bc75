/**
 * Checks that the host has what a specification names, before anything runs: machine type, CPU, console, devices, existing volumes.
 * Terraform would fail only after everything else of the machine is created.
 */

import type { LibvirtMachineProviderSpec } from '../api/kinds/machine-provider-spec.ts';
import { TerminalError, TransientError } from '../errors.ts';
import { type DomainObservation, isOn } from '../libvirt/domain.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import { virshCommand } from '../libvirt/virsh-command.ts';
import type { Site } from './site.ts';

export interface SupportRequest {
  readonly spec: Pick<
    LibvirtMachineProviderSpec,
    'machineType' | 'graphics' | 'cpu' | 'interfaces' | 'disks'
  >;
  /** As found for the host, where the specification says auto. */
  readonly domainType: 'kvm' | 'qemu';
  readonly site: Site;
  /** Name of the machine's own domain. */
  readonly domain: string;
  /** Path of the provider spec in the manifest, for errors. */
  readonly path: string;
  readonly libvirt: Pick<Libvirt, 'domainTypes' | 'devices' | 'domains' | 'volume'>;
}

/**
 * Asks only for what the specification names.
 * @throws TerminalError InvalidConfiguration or NetworkNotFound, TransientError NotOwned for a volume that another guest uses; all with the
 * field's path
 */
export async function requireHostSupport(request: SupportRequest): Promise<void> {
  requireCpuMode(request);
  await Promise.all([
    requireMachineType(request),
    requireGraphics(request),
    requireDevices(request),
    requireFreeVolumes(request),
  ]);
}

function requireCpuMode({ spec, domainType, site, path }: SupportRequest): void {
  if (spec.cpu?.mode !== 'host-passthrough' || domainType === 'kvm') return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.cpu.mode`,
    message: `host-passthrough needs kvm, and host ${site.uri} has none`,
    fix: 'leave cpu out, which suits emulation best, or use a host with kvm',
  });
}

async function requireGraphics({ spec, site, path, libvirt }: SupportRequest): Promise<void> {
  const wanted = spec.graphics;
  if (wanted === undefined || wanted === 'none') return;
  const { graphics } = await libvirt.domainTypes();
  if (graphics.length === 0 || graphics.includes(wanted)) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.graphics`,
    message: `QEMU of host ${site.uri} has no ${wanted}`,
    fix: `use ${['vnc', 'spice', 'none'].filter((one) => one === 'none' || graphics.includes(one)).join(' or ')}`,
  });
}

async function requireMachineType({ spec, site, path, libvirt }: SupportRequest): Promise<void> {
  const { machineType } = spec;
  if (machineType === undefined) return;
  const { machines } = await libvirt.domainTypes();
  // Empty: a driver that does not list them.
  if (machines.length === 0 || machines.includes(machineType)) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: `${path}.machineType`,
    message: `host ${site.uri} has no machine type "${machineType}"`,
    fix: `use one that it has (${similar(machineType, machines).join(', ')}, …), or leave machineType out: ${virshCommand(site.uri, 'capabilities')}`,
  });
}

/** Returns the permanent aliases (`q35`, `pc`), and the newest of the same family. */
function similar(wanted: string, machines: readonly string[]): string[] {
  const family = wanted.replace(/-?[\d.]+$/, '');
  const versions = machines
    .filter((name) => family !== '' && name.startsWith(family) && name !== family)
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const aliases = machines.filter((name) => !/\d\.\d/.test(name) && !name.startsWith('x-'));
  return [...versions.slice(0, 3), ...aliases.slice(0, 4)];
}

async function requireDevices({ spec, site, path, libvirt }: SupportRequest): Promise<void> {
  const wanted = (spec.interfaces ?? [{}]).flatMap((nic, index) => {
    const at = `${path}.interfaces[${index}]`;
    if (nic.bridge !== undefined) return { what: 'bridge', name: nic.bridge, at: `${at}.bridge` };
    if (nic.macvtap !== undefined) return { what: 'device', name: nic.macvtap, at: `${at}.macvtap` };
    const { name, mode, bridge } = site.network;
    if (mode !== 'bridge' || bridge === undefined || (nic.network ?? name) !== name) return [];
    return { what: `bridge of the network "${name}",`, name: bridge, at: `${at}.network` };
  });
  if (wanted.length === 0) return;
  const has = await libvirt.devices();
  const missing = has && wanted.find(({ name }) => !has(name));
  if (!missing) return;
  throw new TerminalError({
    code: 'NetworkNotFound',
    path: missing.at,
    message: `host ${site.uri} has no ${missing.what} "${missing.name}"`,
    fix: `create it there, or use an existing one: ${virshCommand(site.uri, 'iface-list', '--all')}`,
  });
}

async function requireFreeVolumes({ spec, domain, path, libvirt }: SupportRequest): Promise<void> {
  const named = (spec.disks ?? []).flatMap(({ volume }, index) =>
    volume === undefined ? [] : { volume, at: `${path}.disks[${index}].volume` },
  );
  if (named.length === 0) return;
  const domains = await libvirt.domains();
  for (const { volume, at } of named) {
    const slash = volume.indexOf('/');
    const [pool, name] = [volume.slice(0, slash), volume.slice(slash + 1)];
    const found = await libvirt.volume(pool, name);
    const user = domains.find(
      (one) => one.name !== domain && isOn(one) && uses(one, pool, name, found?.path),
    );
    if (!user) continue;
    throw new TransientError({
      code: 'NotOwned',
      path: at,
      message: `the volume ${volume} is in use by the domain "${user.name}"`,
      fix: 'name another volume, or shut that domain down; two guests that write to one disk destroy its data',
      retryAfterMs: 30_000,
    });
  }
}

function uses({ disks }: DomainObservation, pool: string, volume: string, path: string | undefined): boolean {
  return disks.some(
    (disk) =>
      (disk.source !== undefined && disk.source === path) || (disk.pool === pool && disk.volume === volume),
  );
}
