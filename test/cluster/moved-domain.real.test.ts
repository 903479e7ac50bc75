/** Verifies that a domain that was moved to another host is reported, and not created a second time. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LibvirtHost } from '../lab/libvirt-host.ts';
import { virsh } from '../libvirt/guest.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 120_000, interval: 200 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('moved-domain', 2);
  const hosts = lab.lab.hosts.map(({ uri }, index) => ({ name: `host${index}`, uri }));
  await lab.apply({
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Cluster',
    metadata: { name: 'two-hosts', namespace: 'default' },
    spec: { providerSpec: { hosts } },
  });
  controller = await ControllerProcess.start(lab.env(), ['--sweep-interval', '5s']);
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

const host = (index: number) => lab.lab.hosts[index] as LibvirtHost;
const domainsOn = async (index: number) => (await lab.host(index)).domains;
const uuidOn = (index: number, name: string) => virsh(host(index), ['domuuid', `default.${name}`]);

/** Moves a domain as `virsh migrate --persistent --undefinesource` does: defined there, undefined here. */
async function move(name: string, from: number, to: number): Promise<void> {
  const file = join(host(to).directory, `${name}.xml`);
  await writeFile(file, await virsh(host(from), ['dumpxml', '--security-info', `default.${name}`]));
  await virsh(host(to), ['define', file]);
  await virsh(host(from), ['undefine', `default.${name}`]);
}

it('a domain that was moved to another host is reported, and no second one is created', async () => {
  await lab.apply(lab.machine('wanderer', { host: 'host0' }));
  await expect.poll(() => lab.ready('wanderer'), soon).toMatch(/^True/);
  const uuid = await uuidOn(0, 'wanderer');
  await move('wanderer', 0, 1);
  await expect.poll(() => lab.ready('wanderer'), soon).toBe('False DomainElsewhere');
  const drifted = (await lab.get('wanderer'))?.status?.conditions?.find(({ type }) => type === 'Drifted');
  expect(drifted).toMatchObject({
    status: 'True',
    reason: 'NotRepaired',
    message: expect.stringContaining(`the domain default.wanderer is on ${host(1).uri}`),
  });
  // The sweep of the other host does not touch it, and reports it.
  expect(await controller.says('Kept an orphan')).toMatchObject({
    kind: 'domain',
    name: 'default.wanderer',
    why: expect.stringContaining(`its Machine belongs on ${host(0).uri}`),
  });
  expect(await domainsOn(0)).toEqual([]);
  const manifest = join(host(0).directory, 'wanderer.json');
  await writeFile(manifest, JSON.stringify(lab.machine('wanderer', { host: 'host0' })));
  expect(await lab.caplv('plan', '-f', manifest)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('[DomainElsewhere]'),
  });

  await move('wanderer', 1, 0);
  await expect.poll(() => lab.ready('wanderer'), soon).toMatch(/^True/);
  expect(await uuidOn(0, 'wanderer')).toBe(uuid);
});

it('the domain is created again on its disks once it is undefined there', async () => {
  const { volumes } = await lab.host(0);
  await move('wanderer', 0, 1);
  await expect.poll(() => lab.ready('wanderer'), soon).toBe('False DomainElsewhere');
  await virsh(host(1), ['undefine', 'default.wanderer']);
  await expect.poll(() => domainsOn(0), soon).toEqual(['default.wanderer']);
  await expect.poll(() => lab.ready('wanderer'), soon).toMatch(/^True/);
  expect((await lab.host(0)).volumes).toEqual(volumes);
});

it('a deletion removes the domain on both hosts', async () => {
  await move('wanderer', 0, 1);
  await expect.poll(() => lab.ready('wanderer'), soon).toBe('False DomainElsewhere');
  await lab.kubectl('delete', 'machine', 'wanderer');
  expect(await domainsOn(1)).toEqual([]);
  expect(await lab.host(0)).toEqual({ domains: [], volumes: [] });
});

it('a machine that lost its status and state is placed on the host of its domain', async () => {
  await lab.apply(lab.machine('forgotten', { host: 'host1' }));
  await expect.poll(() => lab.ready('forgotten'), soon).toMatch(/^True/);
  const uuid = await uuidOn(1, 'forgotten');
  await controller.stop();
  await lab.apply(lab.machine('forgotten'));
  await lab.kubectl(
    'patch',
    'machine',
    'forgotten',
    '--subresource=status',
    '--type=merge',
    '-p',
    '{"status":null}',
  );
  await lab.kubectl('delete', 'secrets,leases', '--all');
  controller = await ControllerProcess.start(lab.env());
  await expect.poll(() => lab.ready('forgotten'), soon).toMatch(/^True/);
  expect((await lab.get('forgotten'))?.status?.providerStatus?.host).toBe('host1');
  expect(await uuidOn(1, 'forgotten')).toBe(uuid);
  expect(await domainsOn(0)).toEqual([]);
  await lab.kubectl('delete', 'machine', 'forgotten');
});
