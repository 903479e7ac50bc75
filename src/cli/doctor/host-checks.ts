/** Checks a libvirt host: its answer, virtualisation, pool and network. */

import { existsSync } from 'node:fs';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import { type HostURI, isProblem, parseHostURI } from '../../libvirt/host-uri.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import { virshCommand } from '../../libvirt/virsh-command.ts';
import { type Check, failedCheck } from './check.ts';
import { type Distribution, installCommand } from './distribution.ts';
import { type LocalLibvirt, localFix, PROVIDER_SOCKET, socketFix, thisLibvirt } from './local-libvirt.ts';
import { DEFAULT_NAME } from './repair.ts';

export interface HostCheckOptions {
  readonly pool: string;
  readonly network: string;
  readonly distribution: Distribution;
  /** True after a repair: then it is not named as the fix of what it has left. */
  readonly isRepaired: boolean;
}

export async function hostChecks(libvirt: Libvirt, options: HostCheckOptions): Promise<Check[]> {
  const { pool, network, distribution, isRepaired } = options;
  try {
    const facts = await libvirt.facts({ volumesOf: [pool] });
    const types = await libvirt.domainTypes();
    const memory = `${facts.cpus} CPUs, ${facts.freeMemoryMiB} of ${facts.memoryMiB} MiB free`;
    return [
      { name: 'libvirt', result: 'ok', message: `${facts.libvirtVersion} at ${libvirt.uri}, ${memory}` },
      ...(await providerSocket(libvirt.uri, distribution)),
      virtualisation(types, isLocal(libvirt.uri) ? distribution : undefined),
      presence('pool', pool, facts.pools, { uri: libvirt.uri, isRepaired }),
      presence('network', network, facts.networks, { uri: libvirt.uri, isRepaired }),
    ];
  } catch (error) {
    const local =
      isLocal(libvirt.uri) && error instanceof LibvirtError ? await thisLibvirt(distribution) : undefined;
    const fix = local && localFix((error as LibvirtError).code, local);
    return [failedCheck('libvirt', error, fix)];
  }
}

/** Returns the parts of a URI that was accepted before. */
export function hostOf(uri: string): HostURI | undefined {
  const read = parseHostURI(uri);
  return isProblem(read) ? undefined : read;
}

/** The system's libvirt of this machine, at its usual socket. */
function isLocal(uri: string): boolean {
  const host = hostOf(uri);
  return host?.transport === '' && host.path === '/system' && !host.parameters.has('socket');
}

/** Says only what is wrong: virsh finds the sockets of libvirt's modular daemons, and the provider does not. */
async function providerSocket(uri: string, distribution: Distribution): Promise<Check[]> {
  if (!isLocal(uri) || existsSync(PROVIDER_SOCKET)) return [];
  const local: LocalLibvirt = await thisLibvirt(distribution);
  const message = `the Terraform provider connects to ${PROVIDER_SOCKET}, which does not exist`;
  return [{ name: 'libvirt socket', result: 'failed', message, fix: socketFix(local) }];
}

/** `distribution`: of the host, where it is known. */
export function virtualisation(
  { kvm, qemu }: { readonly kvm: boolean; readonly qemu: boolean },
  distribution: Distribution | undefined,
): Check {
  if (kvm) return { name: 'kvm', result: 'ok', message: 'hardware virtualisation works' };
  if (!qemu) {
    return {
      name: 'qemu',
      result: 'failed',
      message: 'libvirt finds no QEMU for the processor of the host',
      fix: distribution ? installCommand(['qemu'], distribution) : 'install QEMU on the host',
    };
  }
  return {
    name: 'kvm',
    result: 'warning',
    message: 'not available; guests are emulated (TCG), which is slow, and slower with cpu.mode maximum',
    fix: 'enable virtualisation in the firmware of the host and load kvm_intel or kvm_amd; until then leave cpu out, and give guests with much code tcg.cacheMiB',
  };
}

const VERB = { pool: 'pool', network: 'net' } as const;

export function presence(
  what: 'pool' | 'network',
  name: string,
  there: HostFacts['pools' | 'networks'],
  { uri, isRepaired }: { readonly uri: string; readonly isRepaired: boolean },
): Check {
  const found = there.find((one) => one.name === name);
  if (found?.active) return { name: what, result: 'ok', message: `"${name}" is active` };
  if (found) {
    const byHand = virshCommand(uri, `${VERB[what]}-start`, name);
    return {
      name: what,
      result: 'warning',
      message: `"${name}" is not active`,
      fix: isRepaired ? byHand : `caplv doctor --fix starts it; or ${byHand}`,
    };
  }
  const others = 'use another in the manifest, or let a Cluster create one';
  return {
    name: what,
    result: 'warning',
    message: `"${name}" does not exist`,
    fix:
      name === DEFAULT_NAME && !isRepaired
        ? `caplv doctor --fix creates it; or ${others}`
        : `define it, ${others}`,
  };
}
