/** `caplv version`: versions of caplv and of what it runs: Terraform, its provider, and the libvirt of the host. */

import { configOf } from '../../app/config.ts';
import type { GlobalFlags } from '../../app/global-flags.ts';
import { CaplvError } from '../../errors.ts';
import { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import { findProvider, PROVIDER_VERSION } from '../../terraform/install/provider.ts';
import { findTerraform } from '../../terraform/install/terraform.ts';
import { VERSION } from '../../version.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import { openTerminal } from '../output/streams.ts';

export interface VersionFlags extends GlobalFlags {
  /** Only caplv itself. */
  readonly client?: boolean;
  readonly output?: 'json' | 'yaml';
}

interface Versions {
  readonly caplv: { readonly version: string; readonly node: string; readonly platform: string };
  terraform?: { readonly flavor: string; readonly version: string; readonly path: string };
  provider?: { readonly version: string; readonly path: string };
  libvirt?: { readonly version: string; readonly qemu: string | undefined; readonly uri: string };
}

export async function showVersion(flags: VersionFlags): Promise<number> {
  const config = configOf(flags);
  const terminal = openTerminal(config);
  const platform = `${process.platform}/${process.arch}`;
  const versions: Versions = { caplv: { version: VERSION, node: process.versions.node, platform } };
  const problems: (CaplvError | LibvirtError)[] = [];
  const attempt = (work: Promise<void>) =>
    work.catch((error: unknown) => {
      if (!(error instanceof CaplvError || error instanceof LibvirtError)) throw error;
      problems.push(error);
    });
  const askTerraform = async () => {
    const terraform = await findTerraform(config.terraform === undefined ? {} : { path: config.terraform });
    const { flavor, version, path } = terraform;
    versions.terraform = { flavor, version, path };
    versions.provider = { version: PROVIDER_VERSION, path: await findProvider({ terraform }) };
  };
  const askHost = async () => {
    const libvirt = new Libvirt({ uri: config.libvirtUri });
    const { libvirtVersion: version, qemuVersion: qemu } = await libvirt.facts();
    versions.libvirt = { version, qemu, uri: libvirt.uri };
  };
  if (!flags.client) await Promise.all([attempt(askTerraform()), attempt(askHost())]);
  terminal.out(flags.output ? formatData(versions, flags.output) : asText(versions));
  for (const { message, fix } of problems) {
    terminal.say(`${terminal.style('red', 'error:')} ${message}`);
    if (fix !== undefined) terminal.say(`  ${terminal.style('bold', 'fix:')} ${fix}`);
  }
  return problems.length > 0 ? EXIT.failed : EXIT.ok;
}

function asText({ caplv, terraform, provider, libvirt }: Versions): string {
  return [
    `caplv ${caplv.version} (Node ${caplv.node}, ${caplv.platform})`,
    ...(terraform ? [`${terraform.flavor} ${terraform.version} (${terraform.path})`] : []),
    ...(provider ? [`provider dmacvicar/libvirt ${provider.version} (${provider.path})`] : []),
    ...(libvirt
      ? [`libvirt ${libvirt.version}${libvirt.qemu ? `, QEMU ${libvirt.qemu}` : ''} (${libvirt.uri})`]
      : []),
  ].join('\n');
}
