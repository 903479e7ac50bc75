/** `caplv doctor`: checks what the other commands need, one line each, and says how to mend what is missing, or mends it. */

import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Config, configOf } from '../../app/config.ts';
import type { GlobalFlags } from '../../app/global-flags.ts';
import { CaplvError, messageOf, TerminalError } from '../../errors.ts';
import { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import { HostSetup } from '../../libvirt/setup/host-setup.ts';
import { ownRanges } from '../../system/network/own-ranges.ts';
import { requireOwnDirectory } from '../../system/private-files.ts';
import { findProvider } from '../../terraform/install/provider.ts';
import { findTerraform } from '../../terraform/install/terraform.ts';
import { type Check, failedCheck } from '../doctor/check.ts';
import { ask, canAsk } from '../doctor/consent.ts';
import {
  type Distribution,
  installCommand,
  installTerraform,
  thisDistribution,
} from '../doctor/distribution.ts';
import { type HostCheckOptions, hostChecks, hostOf } from '../doctor/host-checks.ts';
import { DEFAULT_NAME, type Refusal, type Repair, repairsOf } from '../doctor/repair.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import { openTerminal, type Streams } from '../output/streams.ts';

export interface DoctorFlags extends GlobalFlags {
  readonly output?: 'json' | 'yaml';
  readonly pool?: string;
  readonly network?: string;
  /** Make what is missing. */
  readonly fix?: boolean;
  /** With `fix`: do not ask. */
  readonly yes?: boolean;
}

/** @throws TerminalError InvalidConfiguration if there is nobody to ask before a change */
export async function doctor(flags: DoctorFlags): Promise<number> {
  requireConsent(flags);
  const config = configOf(flags);
  const terminal = openTerminal(config);
  const distribution = await thisDistribution();
  const options = {
    pool: flags.pool ?? DEFAULT_NAME,
    network: flags.network ?? DEFAULT_NAME,
    distribution,
    isRepaired: flags.fix ?? false,
  };
  const libvirt = new Libvirt({ uri: config.libvirtUri });
  const isMended = flags.fix ? await repairHost(config, options, terminal, flags.yes ?? false) : true;
  const checks = [
    await stateDirectory(config),
    ...(await terraform(config, distribution)),
    await stylesheetTool(distribution),
    ...(await hostChecks(libvirt, options)),
  ];
  terminal.out(
    flags.output ? formatData(checks, flags.output) : checks.map((check) => asText(check, terminal)).join(''),
  );
  return !isMended || checks.some(({ result }) => result === 'failed') ? EXIT.failed : EXIT.ok;
}

function requireConsent({ fix, yes }: DoctorFlags): void {
  if (yes && !fix) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: '--yes',
      message: 'nothing is changed without --fix',
      fix: 'caplv doctor --fix --yes',
    });
  }
  if (!fix || yes || canAsk()) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: '--fix',
    message: 'there is no terminal to ask on before something is created',
    fix: 'run it on a terminal, or add --yes',
  });
}

/** Makes what is missing on the host, each after a yes. Returns false if something that was agreed to failed. */
async function repairHost(
  { libvirtUri }: Config,
  names: Pick<HostCheckOptions, 'pool' | 'network'>,
  terminal: Streams,
  yes: boolean,
): Promise<boolean> {
  const setup = new HostSetup(libvirtUri);
  let isMended = true;
  for (const repair of await repairs(new Libvirt({ uri: libvirtUri }), names)) {
    if ('reason' in repair) {
      terminal.say(repair.reason);
      continue;
    }
    if (!yes && !(await ask(`On ${libvirtUri} ${repair.question}`))) continue;
    try {
      terminal.say(await repair.apply(setup));
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      isMended = false;
      terminal.say(`${terminal.style('red', 'error:')} ${error.message}`);
      if (error.fix !== undefined) terminal.say(`  ${terminal.style('bold', 'fix:')} ${error.fix}`);
    }
  }
  return isMended;
}

/** Returns none for a host that does not answer, which the checks report. */
async function repairs(
  libvirt: Libvirt,
  names: Pick<HostCheckOptions, 'pool' | 'network'>,
): Promise<(Repair | Refusal)[]> {
  const host = hostOf(libvirt.uri);
  if (host === undefined) return [];
  try {
    const { pools, networks } = await libvirt.facts();
    const facts = await libvirt.facts({
      volumesOf: pools.map(({ name }) => name),
      networks: networks.map(({ name }) => name),
    });
    // Those of another machine are not known here; its libvirt refuses a network whose range has an interface.
    const ranges = host.transport === '' ? await ownRanges() : [];
    const dataHome = process.env['XDG_DATA_HOME'] || join(homedir(), '.local/share');
    return repairsOf({ host, facts, ...names, ranges, dataHome });
  } catch (error) {
    if (error instanceof LibvirtError) return [];
    throw error;
  }
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

async function terraform(config: Config, distribution: Distribution): Promise<Check[]> {
  try {
    const binary = await findTerraform(config.terraform === undefined ? {} : { path: config.terraform });
    const found: Check = { name: binary.flavor, result: 'ok', message: `${binary.version}, ${binary.path}` };
    try {
      return [found, { name: 'provider', result: 'ok', message: await findProvider({ terraform: binary }) }];
    } catch (error) {
      return [found, failedCheck('provider', error)];
    }
  } catch (error) {
    const check = failedCheck('terraform', error);
    const command = installTerraform(distribution);
    return [command === undefined ? check : { ...check, fix: `${command}; or ${check.fix}` }];
  }
}

/** The provider runs it for what its arguments cannot say: that volumes are for QEMU only. */
async function stylesheetTool(distribution: Distribution): Promise<Check> {
  const name = 'xsltproc';
  const { failed: missing } = await execa('xsltproc', ['--version'], { reject: false });
  if (!missing) return { name, result: 'ok', message: 'volumes can be made private' };
  return {
    name,
    result: 'failed',
    message: 'the Terraform provider needs it to make volumes private, and it is not in PATH',
    fix: installCommand(['xsltproc'], distribution),
  };
}
