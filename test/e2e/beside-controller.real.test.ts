/** Verifies a person's commands and a controller on the same local store, as on a host with the systemd unit. */

import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NodeKind } from '../../src/app/workload-node.ts';
import { quoteCommand } from '../../src/libvirt/virsh-command.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { PROGRAM } from './caplv.ts';
import { cluster, type ManifestObject, machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('beside');
const ROUNDS = 3;
const NAMES = ['a', 'b'];

let controller: ControllerProcess;

const startController = () =>
  ControllerProcess.start({ ...here().lab.env(), CAPLV_STATE_DIR: here().stateDir }, ['--local']);

beforeAll(async () => {
  controller = await startController();
});
afterAll(() => controller?.stop());

test('a command and a controller that see a new machine at the same moment create, change and delete it once', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const spec = { ...here().image, userData: '#cloud-config\n' };
    const made = await here().apply(NAMES.map((name) => machine(name, spec)));
    expect(made).toMatchObject({ exitCode: 0 });
    const uuids = () => Promise.all(NAMES.map((name) => here().virsh('domuuid', `default.${name}`)));
    const before = await uuids();

    const changed = await here().apply(NAMES.map((name) => machine(name, { ...spec, autostart: true })));
    expect(changed).toMatchObject({ exitCode: 0 });
    expect(await uuids()).toEqual(before);

    const gone = await here().caplv.run(['delete', 'machine', ...NAMES, '--now']);
    expect(gone).toMatchObject({ exitCode: 0 });
    expect(await here().domains()).toEqual([]);
    await expect.poll(() => here().volumes()).toEqual([]);
  }
  expect(controller.lines.filter(({ message }) => message.startsWith('Reconcile failed'))).toEqual([]);
});

test('plan names the machines of a deployment that the controller then creates, replaces and deletes', async () => {
  const workers = (spec: object, memoryMiB = 96): ManifestObject => {
    const labels = { app: 'workers' };
    const providerSpec = { vcpu: 1, memoryMiB, running: false, ...here().image };
    const template = { metadata: { labels }, spec: { providerSpec } };
    return {
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'MachineDeployment',
      metadata: { name: 'workers' },
      spec: { selector: { matchLabels: labels }, template, ...spec },
    };
  };
  const named = (text: string) => [...text.matchAll(/ machine\/(workers-\S+?),?$/gm)].map(([, name]) => name);

  const made = await here().plan([workers({ replicas: 2 })]);
  expect(made.exitCode).toBe(2);
  expect(made.stdout).toMatch(
    /^machinedeployment\/workers: create; machines: 2 to create\n( {2}\+ machine\/.+\n){2}/,
  );
  expect(made.stdout).toMatch(/^machine\/workers-\S+-0: create\n[\s\S]* {2}\+ libvirt_domain/m);
  expect(await here().caplv.read(['get', 'machinedeployments'])).toBe('');
  const applied = await here().apply([workers({ replicas: 2 })], ['--wait=2m']);
  expect(applied.stderr).toMatch(/^machinedeployment\/workers {2}ready$/m);
  expect(applied.exitCode).toBe(0);
  const names = async () => (await here().domains()).map((name) => name.replace('default.', '')).sort();
  expect(await names()).toEqual(named(made.stdout));
  expect((await here().plan([workers({ replicas: 2 })])).exitCode).toBe(0);
  const tree = await here().caplv.read(['describe', 'md', 'workers']);
  expect(tree).toMatch(
    /^MachineDeployment\/workers .*True +AsSpecified[\s\S]*^ {2}├─Machine\/workers-\S+-0 /m,
  );

  const changed = await here().plan([workers({ replicas: 1 }, 112)]);
  expect(changed.exitCode).toBe(2);
  expect(changed.stdout).toMatch(
    /^machinedeployment\/workers: update; machines: 1 to replace, 1 to delete\n/,
  );
  expect(changed.stdout).toContain('      spec.template.spec.providerSpec.memoryMiB\n');
  expect(await names()).toEqual(named(made.stdout));
  const rolled = await here().apply([workers({ replicas: 1 }, 112)], ['--wait=2m']);
  expect(rolled.exitCode).toBe(0);
  expect(await names()).toEqual([expect.not.stringContaining(named(made.stdout)[0] ?? '')]);
  await here().caplv.read(['delete', 'machinedeployment', 'workers']);
  await expect.poll(names, { timeout: 60_000 }).toEqual([]);
});

test('a broken file is named at the start, and deletes and stops no machine', async () => {
  const labels = { app: 'kept' };
  const providerSpec = { vcpu: 1, memoryMiB: 96, running: false, ...here().image };
  const set = {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'MachineSet',
    metadata: { name: 'kept' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { providerSpec } },
    },
  };
  expect(await here().apply([set], ['--wait=2m'])).toMatchObject({ exitCode: 0 });
  const uuids = () =>
    Promise.all(['kept-0', 'kept-1'].map((name) => here().virsh('domuuid', `default.${name}`)));
  const before = await uuids();
  await controller.stop();
  const file = join(here().stateDir, 'objects', 'machines', 'default', 'kept-1.json');
  const whole = await readFile(file);
  await truncate(file, whole.length / 2);

  controller = await startController();
  await controller.says('Object cannot be read; it is left as it is, and the others go on');
  const ready = async () =>
    JSON.parse(await here().caplv.read(['get', 'machineset', 'kept', '-o', 'json'])).status.conditions.find(
      ({ type }: { type: string }) => type === 'Ready',
    );
  await expect
    .poll(ready, { timeout: 60_000 })
    .toMatchObject({ reason: 'ObjectUnreadable', message: expect.stringContaining(file) });
  expect(await here().apply([machine('beside', { ...here().image })])).toMatchObject({ exitCode: 0 });
  expect(await here().caplv.run(['delete', 'machine', 'beside', '--now'])).toMatchObject({ exitCode: 0 });
  expect(await here().domains()).toEqual(['default.kept-0', 'default.kept-1']);
  expect(await uuids()).toEqual(before);

  await writeFile(file, whole);
  await expect.poll(ready, { timeout: 60_000 }).toMatchObject({ status: 'True' });
  expect(await uuids()).toEqual(before);
  await here().caplv.read(['delete', 'machineset', 'kept']);
  await expect.poll(() => here().domains(), { timeout: 60_000 }).toEqual([]);
});

test('the machine of a set becomes a Node of the cluster that a Secret names, and the Node goes with it', async () => {
  const workload = await KubeLab.up({ dir: join(here().directory, 'workload') });
  const client = await workload.client();
  try {
    const labels = { app: 'joined' };
    const providerSpec = { vcpu: 1, memoryMiB: 96, shutdownTimeoutSeconds: 0, ...here().image };
    const metadata = { labels: { tier: 'web' } };
    const template = { metadata: { labels }, spec: { clusterName: 'work', metadata, providerSpec } };
    const set = (replicas: number): ManifestObject => ({
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'MachineSet',
      metadata: { name: 'joined' },
      spec: { replicas, selector: { matchLabels: labels }, template },
    });
    const secret: ManifestObject = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'work-kubeconfig' },
      stringData: { value: await readFile(workload.kubeconfig, 'utf8') },
    };
    const objects = [cluster('work', {}), secret, set(1)];
    expect(await here().apply(objects, ['--wait=2m'])).toMatchObject({ exitCode: 0 });
    const spec = { providerID: (await here().machine('joined-0')).spec.providerID };
    await client.create(NodeKind, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, spec });
    const soon = { timeout: 60_000 };
    await expect.poll(async () => (await here().machine('joined-0')).status.nodeRef?.name, soon).toBe('n');
    const node = () => client.get(NodeKind, { namespace: '', name: 'n' });
    await expect.poll(async () => (await node())?.metadata.labels, soon).toMatchObject({ tier: 'web' });
    expect(await here().apply([set(0)])).toMatchObject({ exitCode: 0 });
    await expect.poll(node, soon).toBeUndefined();
    await expect.poll(() => here().domains(), soon).toEqual([]);
    await here().caplv.read(['delete', 'machineset', 'joined']);
  } finally {
    client.close();
    await workload.down();
  }
});

test('the local controller writes lines for a person at a terminal, and JSON for a program', async () => {
  const args = ['controller', '--local', '--listen', '192.0.2.1:80'];
  const piped = await here().caplv.run(args);
  expect(JSON.parse(piped.stderr.split('\n').at(-1) ?? '')).toMatchObject({ message: 'Controller failed' });
  const command = quoteCommand([process.execPath, PROGRAM, ...args]);
  const env = { ...here().lab.env(), CAPLV_STATE_DIR: here().stateDir };
  const shown = await execa('script', ['-qec', command, '/dev/null'], { env, reject: false });
  expect(shown.stdout).toMatch(/^[\d:.]+ {2}ERROR {2}Controller failed {2}error=/m);
});
