/** Verifies that terraform runs recover when libvirtd, the provider or an upload fails. */

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findProvider } from '../../src/terraform/install/provider.ts';
import { findTerraform } from '../../src/terraform/install/terraform.ts';
import { ProviderPool } from '../../src/terraform/provider/pool.ts';
import type { RunEvent } from '../../src/terraform/run-events.ts';
import { Terraform, type TerraformOptions } from '../../src/terraform/terraform.ts';
import { SlowImage } from '../faults/slow-image.ts';
import { OneShot } from './one-shot.ts';
import { providerOnly, uniqueName, useLab, volumeStack } from './real-terraform.ts';
import { scratchDir } from './scratch.ts';

const host = useLab('terraform-restart');

/** A terraform whose provider is connected to libvirt, and a workspace with one volume. */
async function connected(
  given: Partial<Pick<TerraformOptions, 'limits' | 'providerTimeoutMs' | 'providerStallMs'>> = {},
) {
  const binary = await findTerraform();
  const providers = new ProviderPool(() => findProvider({ terraform: binary }));
  const terraform = new OneShot(
    new Terraform({
      binary: async () => binary,
      providerMode: 'warm',
      providers,
      limits: { total: 8, perKey: 8 },
      ...given,
    }),
  );
  const dir = await scratchDir();
  const workspace = { dir: join(dir, 'w') };
  const config = volumeStack(host(), { name: uniqueName() });
  const events: RunEvent[] = [];
  const options = { providerKey: host().uri, onEvent: (event: RunEvent) => events.push(event) };
  await terraform.apply(workspace, config, options);
  events.length = 0;
  return { terraform, providers, dir, workspace, config, events, options };
}

async function restartLibvirtd(): Promise<void> {
  await host().stopLibvirtd();
  await host().startLibvirtd();
}

describe('libvirtd is restarted under a running caplv', { timeout: 60_000 }, () => {
  test('the next plan works, with a new provider', async () => {
    const { terraform, workspace, config, events, options } = await connected();
    await restartLibvirtd();
    expect(await terraform.plan(workspace, config, options)).toMatchObject({ action: 'none' });
    expect(events).toContainEqual({ type: 'retrying', reason: expect.stringContaining('libvirt') });
    await terraform.destroy(workspace, providerOnly(host()), options);
    await terraform.close();
  });

  test('the next create works, although provider 0.8.3 says only that there is no pool', async () => {
    const { terraform, dir, workspace, options } = await connected();
    await restartLibvirtd();
    const other = { dir: join(dir, 'other') };
    const created = await terraform.apply(other, volumeStack(host(), { name: uniqueName() }), options);
    expect(created.changes).toMatchObject([{ action: 'create' }]);
    await terraform.destroy(other, providerOnly(host()), options);
    await terraform.destroy(workspace, providerOnly(host()), options);
    await terraform.close();
  });

  test('a caller that saw the restart gets a new provider at once', async () => {
    const { terraform, workspace, config, events, options } = await connected();
    await restartLibvirtd();
    await terraform.restartProvider(host().uri);
    await terraform.plan(workspace, config, options);
    expect(events).toEqual([]);
    await terraform.destroy(workspace, providerOnly(host()), options);
    await terraform.close();
  });

  test('while it is down the error says that libvirt cannot be reached', async () => {
    const { terraform, workspace, config, options } = await connected();
    await host().stopLibvirtd();
    try {
      await expect(terraform.plan(workspace, config, options)).rejects.toThrow('failed to connect');
    } finally {
      await host().startLibvirtd();
    }
    await terraform.destroy(workspace, providerOnly(host()), options);
    await terraform.close();
  });
});

test('a provider that was killed is replaced', { timeout: 60_000 }, async () => {
  const { terraform, providers, workspace, config, options } = await connected();
  const provider = await providers.get(host().uri);
  process.kill(provider.pid, 'SIGKILL');
  await provider.ended;
  expect(await terraform.plan(workspace, config, options)).toMatchObject({ action: 'none' });
  expect((await providers.get(host().uri)).pid).not.toBe(provider.pid);
  await terraform.destroy(workspace, providerOnly(host()), options);
  await terraform.close();
});

test('a libvirtd that no longer answers does not block a run for ever, and is used again when it answers', {
  timeout: 60_000,
}, async () => {
  const { terraform, workspace, config, events, options } = await connected({ providerTimeoutMs: 500 });
  const sandbox = await host().sandbox();
  const pid = (await sandbox.run('cat', '/run/libvirtd.pid')).trim();
  await sandbox.run('kill', '-STOP', pid);
  try {
    const plan = terraform.plan(workspace, config, { ...options, lockTimeoutMs: 0 });
    await expect(plan).rejects.toThrow('the provider did not come to an end with');
    const reason = expect.stringContaining('the provider did not come to an end with');
    expect(events).toContainEqual({ type: 'retrying', reason });
  } finally {
    await sandbox.run('kill', '-CONT', pid);
  }
  expect(await terraform.plan(workspace, config, options)).toMatchObject({ action: 'none' });
  await terraform.destroy(workspace, providerOnly(host()), options);
  await terraform.close();
});

/** A volume whose server stops after half of the image, and the workspace of that volume. */
async function stalledUpload(stallMs = 1_000) {
  const { config: _, ...rest } = await connected({
    providerStallMs: stallMs,
    limits: { total: 1, perKey: 1 },
  });
  const content = join(rest.dir, 'image.raw');
  await writeFile(content, randomBytes(4 * 1024 ** 2));
  const image = await SlowImage.serve(content);
  const volume = { name: uniqueName(), pool: host().pool, source: image.url };
  const config = { ...providerOnly(host()), resource: { libvirt_volume: { v: volume } } };
  return { ...rest, image, other: { dir: join(rest.dir, 'upload') }, config };
}

test('an upload that stalls does not block a run for ever, and starts again', {
  timeout: 60_000,
}, async () => {
  const { terraform, workspace, options, image, other, config } = await stalledUpload();
  try {
    const reasons: string[] = [];
    const onEvent = (event: RunEvent) => {
      if (event.type !== 'retrying') return;
      reasons.push(event.reason);
      image.sendRest();
    };
    const created = await terraform.apply(other, config, { ...options, onEvent });
    expect(created.changes).toMatchObject([{ action: 'create' }]);
    expect(reasons).toEqual(['the provider did not come to an end with libvirt_volume.v']);
    await terraform.destroy(other, providerOnly(host()), options);
  } finally {
    image.close();
  }
  await terraform.destroy(workspace, providerOnly(host()), options);
  await terraform.close();
});

test('an upload by a saved plan in which nothing moves any more ends with that, and not with a plan that is stale', {
  timeout: 60_000,
}, async () => {
  const { terraform, workspace, options, image, other, config } = await stalledUpload();
  try {
    const plan = await terraform.plan(other, config, { ...options, save: true });
    await expect(terraform.apply(other, config, { ...options, plan })).rejects.toMatchObject({
      code: 'LibvirtError',
      message: expect.stringContaining('the provider did not come to an end with libvirt_volume.v'),
    });
    await terraform.destroy(other, providerOnly(host()), options);
  } finally {
    image.close();
  }
  await terraform.destroy(workspace, providerOnly(host()), options);
  await terraform.close();
});

test('a slow upload with a provider of its own leaves its pool free for others, and their places', {
  timeout: 60_000,
}, async () => {
  const { terraform, workspace, options, image, other, config } = await stalledUpload(30_000);
  try {
    const slow = terraform.apply(other, config, { ...options, ownProvider: true });
    await image.halfSent();
    const quick = { dir: join(dirname(other.dir), 'quick') };
    const volume = { name: uniqueName(), pool: host().pool, size: 1_048_576 };
    const stack = { ...providerOnly(host()), resource: { libvirt_volume: { q: volume } } };
    const order: string[] = [];
    void slow.then(
      () => order.push('slow'),
      () => order.push('slow'),
    );
    await terraform.apply(quick, stack, options);
    expect(order).toEqual([]);
    image.sendRest();
    await slow;
    await terraform.destroy(quick, providerOnly(host()), options);
    await terraform.destroy(other, providerOnly(host()), options);
  } finally {
    image.close();
  }
  await terraform.destroy(workspace, providerOnly(host()), options);
  await terraform.close();
});

test('an upload in which nothing moves any more, and of which the caller knows why, is not begun again', {
  timeout: 60_000,
}, async () => {
  const { terraform, workspace, options, events, image, other, config } = await stalledUpload();
  try {
    const explainHang = async (address: string) => new Error(`the pool of ${address} is full`);
    await expect(terraform.apply(other, config, { ...options, explainHang })).rejects.toThrow(
      'the pool of libvirt_volume.v is full',
    );
    expect(events.filter(({ type }) => type === 'retrying')).toEqual([]);
    await terraform.destroy(other, providerOnly(host()), options);
  } finally {
    image.close();
  }
  await terraform.destroy(workspace, providerOnly(host()), options);
  await terraform.close();
});
