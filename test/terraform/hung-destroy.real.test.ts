/** Verifies that a provider is ended when libvirtd stops answering in the middle of a destroy. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, onTestFinished, test } from 'vitest';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import { ProviderPool } from '../../src/terraform/provider/pool.ts';
import type { RunEvent } from '../../src/terraform/run-events.ts';
import { Terraform } from '../../src/terraform/terraform.ts';
import { OneShot } from './one-shot.ts';
import { providerOnly, uniqueName, useLab, volumeStack } from './real-terraform.ts';
import { scratchDir } from './scratch.ts';

const host = useLab('terraform-hung');

async function freeze(signal: '-STOP' | '-CONT'): Promise<void> {
  const sandbox = await host().sandbox();
  await sandbox.run('kill', signal, (await sandbox.run('cat', '/run/libvirtd.pid')).trim());
}

/**
 * A volume, and something that goes before it and takes until somebody writes into `fifo`. Another volume goes before both: when
 * that is gone, the provider is connected.
 */
function gated(name: string, fifo: string): object {
  const { resource, ...stack } = volumeStack(host(), { name }) as {
    resource: { libvirt_volume: { v: object } };
  };
  const { v } = resource.libvirt_volume;
  const provisioner = [{ 'local-exec': { when: 'destroy', command: `read -r _ < '${fifo}'` } }];
  const gate = { depends_on: ['libvirt_volume.v'], provisioner };
  const before = { ...v, name: `${name}-before`, depends_on: ['terraform_data.gate'] };
  return { ...stack, resource: { libvirt_volume: { v, before }, terraform_data: { gate } } };
}

test.each(['warm', 'fork'] as const)(
  'a %s provider is ended, the error says where it hung, and the state has the rest',
  { timeout: 120_000 },
  async (providerMode) => {
    const binary = await findTerraform();
    const providers = new ProviderPool(() => findProvider({ terraform: binary }));
    const terraform = new OneShot(
      new Terraform({
        binary: async () => binary,
        providerMode,
        providers,
        limits: { total: 8, perKey: 8 },
        providerDeleteMs: 3_000,
      }),
    );
    onTestFinished(() => terraform.close());
    const dir = await scratchDir();
    const workspace = { dir: join(dir, 'w') };
    const fifo = join(dir, 'fifo');
    await execa('mkfifo', [fifo]);
    const config = gated(uniqueName(), fifo);
    const options = { providerKey: host().uri };
    await terraform.apply(workspace, config, options);

    const atGate = Promise.withResolvers<void>();
    const onEvent = (event: RunEvent) => {
      if (event.type === 'started' && event.address === 'terraform_data.gate') atGate.resolve();
    };
    const destroyed = terraform.destroy(workspace, config, { ...options, onEvent }).catch((error) => error);
    await Promise.race([atGate.promise, destroyed]);
    await freeze('-STOP');
    try {
      await writeFile(fifo, 'go\n');
      expect(await destroyed).toMatchObject({
        code: 'LibvirtError',
        message: expect.stringContaining('the provider did not come to an end with libvirt_volume.v'),
        fix: expect.stringContaining('virsh'),
      });
      const state = await terraform.state(workspace);
      expect(state?.resources.map(({ address }) => address)).toEqual(['libvirt_volume.v']);
    } finally {
      await freeze('-CONT');
    }
    await terraform.destroy(workspace, providerOnly(host()), options);
    expect((await terraform.state(workspace))?.resources).toEqual([]);
  },
);
