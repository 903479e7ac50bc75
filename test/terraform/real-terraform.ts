/** Provides Terraform with a lab for tests. */

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import { ProviderPool } from '../../src/terraform/provider/pool.ts';
import { Terraform } from '../../src/terraform/terraform.ts';
import { Lab } from '../lab/lab.ts';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { OneShot } from './one-shot.ts';

/** A lab of the calling test file's own. The returned function gives its host. */
export function useLab(name: string): () => LibvirtHost {
  let lab: Lab | undefined;
  beforeAll(async () => {
    lab = await Lab.up({ name });
    Object.assign(process.env, lab.env());
  }, 120_000);
  afterAll(() => lab?.down());
  return () => {
    const [host] = lab?.hosts ?? [];
    if (host === undefined) throw new Error('the lab is not up');
    return host;
  };
}

/** Real terraform with the real provider; closed when the test has finished. */
export async function realTerraform(providerMode: 'warm' | 'fork' = 'warm'): Promise<OneShot> {
  const binary = await findTerraform();
  const providers = new ProviderPool(() => findProvider({ terraform: binary }));
  const terraform = new Terraform({
    binary: async () => binary,
    providerMode,
    providers,
    limits: { total: 8, perKey: 8 },
    secretAttributes: ['libvirt_cloudinit_disk.user_data'],
  });
  onTestFinished(() => terraform.close());
  return new OneShot(terraform);
}

/** Only what a stack always has: enough to destroy. */
export function providerOnly(host: LibvirtHost): object {
  return {
    terraform: { required_providers: { libvirt: { source: 'dmacvicar/libvirt', version: '0.8.3' } } },
    provider: { libvirt: [{ uri: host.uri }] },
  };
}

/** A stack of one volume. Its size, in bytes, cannot be changed in place. */
export function volumeStack(
  host: LibvirtHost,
  options: { name: string; size?: number; resource?: object },
): object {
  const volume = { name: options.name, pool: host.pool, size: options.size ?? 1_048_576, format: 'raw' };
  return {
    ...providerOnly(host),
    resource: {
      ...options.resource,
      libvirt_volume: {
        v: { ...volume, ...(options.resource && { depends_on: dependencies(options.resource) }) },
      },
    },
    output: { id: { value: '${libvirt_volume.v.id}' } },
  };
}

function dependencies(resource: object): string[] {
  return Object.entries(resource).flatMap(([type, named]) =>
    Object.keys(named).map((name) => `${type}.${name}`),
  );
}

/** A resource whose creation lasts until `fifo` is opened for writing. */
export function heldUp(fifo: string): object {
  return {
    terraform_data: { gate: { provisioner: [{ 'local-exec': { command: `read -r _ < ${fifo}` } }] } },
  };
}

export function uniqueName(): string {
  return `v-${randomUUID().slice(0, 8)}`;
}
