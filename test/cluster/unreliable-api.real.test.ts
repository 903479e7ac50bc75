/** Verifies that a controller survives failures of the API server and the network, and conflicting writes. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../src/api/kinds/machine-set.ts';
import type { KubeObject, ResourceKind } from '../../src/apimachinery/object.ts';
import { TcpProxy } from '../kube/tcp-proxy.ts';
import { ClusterLab } from './cluster-lab.ts';
import { KeptController } from './kept-controller.ts';

vi.setConfig({ testTimeout: 400_000 });
const soon = { timeout: 180_000, interval: 200 };

let lab: ClusterLab;
let proxy: TcpProxy;
let controller: KeptController;

beforeAll(async () => {
  lab = await ClusterLab.up('test-unreliable');
  proxy = await TcpProxy.to(lab.kube.url);
  const kubeconfig = join(lab.lab.directory, 'proxied.kubeconfig');
  const direct = await readFile(lab.kube.kubeconfig, 'utf8');
  await writeFile(kubeconfig, direct.replaceAll(lab.kube.url, proxy.url.origin), { mode: 0o600 });
  controller = await KeptController.start({ ...lab.env(), CAPLV_KUBECONFIG: kubeconfig });
});

afterAll(async () => {
  await controller?.stop();
  await proxy?.close();
  await lab?.down();
});

const CHANGED = ['changed-1', 'changed-2'];
const DELETED = ['deleted-1', 'deleted-2', 'deleted-3'];
const MADE = ['made-1', 'made-2', 'made-3', 'made-4'];

const ready = (name: string) => expect.poll(() => lab.ready(name), soon).toMatch(/^True/);

/** Creates the machines that exist before the fault. */
beforeEach(async () => {
  await lab.apply(
    lab.fleet('MachineDeployment', 'workers', { replicas: 2 }),
    ...[...CHANGED, ...DELETED].map((name) => lab.machine(name)),
  );
  for (const name of [...CHANGED, ...DELETED]) await ready(name);
});

/** Whatever happened: it can be deleted, and leaves nothing. */
afterEach(async () => {
  await lab.kubectl('delete', 'machinedeployments,machinesets,machines', '--all', '--wait=false');
  await expect
    .poll(() => lab.kubectl('get', 'machinedeployments,machinesets,machines', '-o', 'name'), soon)
    .toBe('');
  await expect.poll(() => lab.host(), soon).toEqual({ domains: [], volumes: [] });
  const lease = 'lease.coordination.k8s.io/caplv-controller';
  await expect.poll(() => lab.kubectl('get', 'secrets,leases', '-o', 'name'), soon).toBe(lease);
});

/** Everything at once: machines to make, to change, to delete, and a fleet to enlarge. */
async function ask(): Promise<void> {
  await lab.apply(
    lab.fleet('MachineDeployment', 'workers', { replicas: 4 }),
    ...CHANGED.map((name) => lab.machine(name, { autostart: true })),
    ...MADE.map((name) => lab.machine(name)),
  );
  await lab.kubectl('delete', 'machines', ...DELETED, '--wait=false');
}

/** Expects the result of `ask`, on the host and in Terraform's states, and nothing twice. */
async function expectAsAsked(): Promise<void> {
  for (const name of [...MADE, ...CHANGED]) await ready(name);
  const key = { namespace: 'default', name: 'workers' };
  await expect
    .poll(async () => (await lab.client.get(MachineDeploymentKind, key))?.status, soon)
    .toMatchObject({ replicas: 4, updatedReplicas: 4, availableReplicas: 4 });
  for (const name of DELETED) await expect.poll(() => lab.get(name), soon).toBeUndefined();

  const { items } = await lab.client.list(MachineKind, { namespace: 'default' });
  const names = items.map(({ metadata }) => metadata.name).sort();
  expect(names).toEqual([...CHANGED, ...MADE, ...names.filter((name) => name.startsWith('workers-'))].sort());
  await expect
    .poll(async () => (await lab.host()).domains.sort(), soon)
    .toEqual(names.map((name) => `default.${name}`));
  const autostarted = async () =>
    (await lab.virsh('list', '--all', '--autostart', '--name')).trim().split(/\s+/);
  await expect.poll(autostarted, soon).toEqual(CHANGED.map((name) => `default.${name}`));
  // One image for all, and for each machine a root disk and a seed.
  expect((await lab.host()).volumes).toHaveLength(1 + 2 * names.length);
  for (const name of names) {
    const shown = await lab.caplv('state', 'show', name, 'libvirt_domain.machine', '-o', 'json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ id: await lab.virsh('domuuid', `default.${name}`) });
  }
}

it('machines are created, changed and deleted although API server and etcd are away for 30 seconds', async () => {
  await ask();
  await expect.poll(async () => (await lab.host()).domains, soon).toContain('default.made-1');
  await lab.kube.stop();
  await sleep(30_000);
  await lab.kube.start();
  await expectAsAsked();
});

it('machines are created, changed and deleted although connections are cut every second for a minute', async () => {
  const cutting = setInterval(() => proxy.cut(), 1_000);
  const end = sleep(60_000);
  try {
    await ask();
    await end;
  } finally {
    clearInterval(cutting);
  }
  await expectAsAsked();
});

it('machines are created, changed and deleted although another client writes the same objects all the time', async () => {
  let writing = true;
  let writes = 0;
  const meddle = async () => {
    while (writing) {
      const kinds: ResourceKind<KubeObject>[] = [MachineDeploymentKind, MachineSetKind, MachineKind];
      for (const kind of kinds) {
        for (const { metadata } of (await lab.client.list(kind)).items) {
          const { namespace = '', name } = metadata;
          const annotations = { meddler: String(writes++) };
          // It may be gone.
          await lab.client.patch(kind, { namespace, name }, { metadata: { annotations } }).catch(() => {});
        }
      }
    }
  };
  const meddling = meddle();
  try {
    await ask();
    await expectAsAsked();
  } finally {
    writing = false;
    await meddling;
  }
  expect(writes).toBeGreaterThan(100);
});
