/** `caplv doctor`: checks what the other commands need, one line each, and says how to mend what is missing. */

import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import { type Config, configOf } from '../../app/config.ts';
import type { GlobalFlags } from '../../app/global-flags.ts';
import { CaplvError, messageOf } from '../../errors.ts';
import { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import { requireOwnDirectory } from '../../system/private-files.ts';
import { findProvider } from '../../terraform/install/provider.ts';
import { findTerraform } from '../../terraform/install/terraform.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import { openTerminal, type Streams } from '../output/streams.ts';

export interface DoctorFlags extends GlobalFlags {
  readonly output?: 'json' | 'yaml';
  readonly pool?: string;
  readonly network?: string;
}

interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warning' | 'failed';
  readonly message: string;
  readonly fix?: string;
}

export async function doctor(flags: DoctorFlags): Promise<number> {
  const config = configOf(flags);
  const terminal = openTerminal(config);
  const checks = [
    await stateDirectory(config),
    ...(await terraform(config)),
    await stylesheetTool(),
    ...(await host(config, flags.pool ?? 'default', flags.network ?? 'default')),
  ];
  terminal.out(
    flags.output ? formatData(checks, flags.output) : checks.map((check) => asText(check, terminal)).join(''),
  );
  return checks.some(({ result }) => result === 'failed') ? EXIT.failed : EXIT.ok;
}

function asText({ name, result, message, fix }: Check, { style }: Streams): string {
  const color = { ok: 'green', warning: 'yellow', failed: 'red' } as const;
  return `${style(color[result], result.padEnd(7))}  ${name.padEnd(15)}  ${message}\n${fix ? `         fix: ${fix}\n` : ''}`;
}

async function stateDirectory({ stateDir }: Config): Promise<Check> {
  const name = 'state directory';
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await requireOwnDirectory(stateDir);
    await access(stateDir, constants.W_OK);
    return { name, result: 'ok', message: stateDir };
  } catch (error) {
    return {
      name,
      result: 'failed',
      message: messageOf(error),
      fix: (error instanceof CaplvError && error.fix) || 'name another one with --state-dir',
    };
  }
}

async function terraform(config: Config): Promise<Check[]> {
  try {
    const binary = await findTerraform(config.terraform === undefined ? {} : { path: config.terraform });
    const found: Check = { name: binary.flavor, result: 'ok', message: `${binary.version}, ${binary.path}` };
    try {
      return [found, { name: 'provider', result: 'ok', message: await findProvider({ terraform: binary }) }];
    } catch (error) {
      return [found, failed('provider', error)];
    }
  } catch (error) {
    return [failed('terraform', error)];
  }
}

/** The provider runs it for what its arguments cannot say: that volumes are for QEMU only. */
async function stylesheetTool(): Promise<Check> {
  const name = 'xsltproc';
  const { failed: missing } = await execa('xsltproc', ['--version'], { reject: false });
  if (!missing) return { name, result: 'ok', message: 'volumes can be made private' };
  return {
    name,
    result: 'failed',
    message: 'the Terraform provider needs it to make volumes private, and it is not in PATH',
    fix: 'install it (Debian: apt-get install xsltproc)',
  };
}

async function host({ libvirtUri }: Config, pool: string, network: string): Promise<Check[]> {
  const libvirt = new Libvirt({ uri: libvirtUri });
  try {
    const facts = await libvirt.facts({ volumesOf: [pool] });
    const types = await libvirt.domainTypes();
    const memory = `${facts.cpus} CPUs, ${facts.freeMemoryMiB} of ${facts.memoryMiB} MiB free`;
    return [
      { name: 'libvirt', result: 'ok', message: `${facts.libvirtVersion} at ${libvirt.uri}, ${memory}` },
      types.kvm
        ? { name: 'kvm', result: 'ok', message: 'hardware virtualisation works' }
        : {
            name: 'kvm',
            result: 'warning',
            message:
              'not available; guests are emulated (TCG), which is slow, and slower with cpu.mode maximum',
            fix: 'enable virtualisation in the firmware of the host and load kvm_intel or kvm_amd; until then leave cpu out, and give guests with much code tcg.cacheMiB',
          },
      presence('pool', pool, facts.pools, 'pool'),
      presence('network', network, facts.networks, 'net'),
    ];
  } catch (error) {
    return [failed('libvirt', error)];
  }
}

function presence(
  what: 'pool' | 'network',
  name: string,
  there: readonly { readonly name: string; readonly active: boolean }[],
  command: string,
): Check {
  const found = there.find((one) => one.name === name);
  if (found?.active) return { name: what, result: 'ok', message: `"${name}" is active` };
  return {
    name: what,
    result: 'warning',
    message: `"${name}" ${found ? 'is not active' : 'does not exist'}`,
    fix: found
      ? `virsh ${command}-start ${name}`
      : `define it, use another in the manifest, or let a Cluster create one`,
  };
}

function failed(name: string, error: unknown): Check {
  if (!(error instanceof CaplvError || error instanceof LibvirtError)) throw error;
  return {
    name,
    result: 'failed',
    message: error.message,
    ...(error.fix === undefined ? {} : { fix: error.fix }),
  };
}
