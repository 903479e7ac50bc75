/** Describes the machine that the benchmarks ran on. */

import { cpus, release, totalmem } from 'node:os';
import { execa } from 'execa';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';

export interface MachineDescription {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly terraform: string;
  readonly provider: string;
  readonly libvirt: string;
  readonly qemu: string;
}

/** `env`: in which terraform, provider and virsh are found. */
export async function describeMachine(env: Readonly<Record<string, string>>): Promise<MachineDescription> {
  Object.assign(process.env, env);
  const terraform = await findTerraform();
  const provider = await findProvider({ terraform });
  const first = async (program: string) => (await execa(program, ['--version'])).stdout.split('\n')[0] ?? '';
  return {
    cpu: cpus()[0]?.model ?? '',
    cpus: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    terraform: `${terraform.flavor} ${terraform.version}`,
    provider: /terraform-provider-libvirt_v[\d.]+\d/.exec(provider)?.[0] ?? provider,
    libvirt: await first('libvirtd'),
    qemu: await first('qemu-system-x86_64'),
  };
}
