/** Verifies that MachineHealthChecks replace machines with unhealthy Nodes, within their limits. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { type MachineHealthCheck, MachineHealthCheckKind } from '../../src/api/kinds/machine-health-check.ts';
import { FakeServer } from '../kube/fake-server.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

// Guests boot one after the other.
vi.setConfig({ testTimeout: 400_000 });

const soon = { timeout: 90_000, interval: 100 };
const LABELS = { app: 'workers' };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-health');
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

afterEach(async () => {
  await lab.kubectl('delete', 'machinehealthchecks,machinesets,machines,nodes', '--all', '--wait=true');
});

it('a machine whose Node stops reporting is replaced, the next one only when a person approves', async () => {
  await lab.apply(workers(2));
  const [first = '', second = ''] = await nodesFor(2);
  await lab.apply(check());
  await expect.poll(() => healthy(), soon).toBe('2 of 2, AsSpecified');
  expect((await lab.caplv('get', 'mhc')).stdout).toMatch(/^check +2 +2 +100% +True +AsSpecified/m);

  await setReady(first, 'Unknown');
  await expect.poll(() => lab.get(first), soon).toBeUndefined();
  await expect.poll(() => machines().then((all) => all.length), soon).toBe(2);
  expect((await machines()).map(({ metadata }) => metadata.name)).toContain(second);
  await nodesFor(2);
  await expect.poll(() => healthy(), soon).toBe('2 of 2, AsSpecified');
  const { domains } = await lab.host();
  expect(domains.sort()).toEqual((await machines()).map(({ metadata }) => `default.${metadata.name}`).sort());

  await setReady(second, 'Unknown');
  await expect.poll(() => healthy(), soon).toBe('1 of 2, MachinesUnhealthy');
  await expect.poll(() => remediation(), soon).toMatch(/^RepairsHeld: 2 of 2 machines of /);
  expect((await lab.get(second))?.metadata.deletionTimestamp).toBeUndefined();
  await letGoOn(second);
  await expect.poll(() => lab.get(second), soon).toBeUndefined();

  const events = await lab.kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
  expect(events).toContain('Remediated');
  // All of it was heard of by a watch.
  expect(await controller.fetch('/metrics')).toMatch(/reflector_lists_total\{resource="nodes"\} 1$/m);
});

it('a machine whose Node is removed is replaced; a machine without a controller is only reported', async () => {
  // Never with the labels of the set, which would take it, have one too many, and delete one of the two.
  const pets = { app: 'pets' };
  await lab.apply(workers(1), lab.machine('pet', { running: true }, { labels: pets }), check());
  await lab.apply(check('pets', { selector: { matchLabels: pets } }));
  const [worker = ''] = await nodesFor(1);
  await nodesFor(1, pets);
  await expect.poll(() => healthy(), soon).toBe('1 of 1, AsSpecified');
  await expect.poll(() => healthy('pets'), soon).toBe('1 of 1, AsSpecified');

  // The host has spent its repairs above.
  await letGoOn(worker);
  await lab.kubectl('delete', 'node', `node-${worker}`, 'node-pet');
  await expect.poll(() => lab.get(worker), soon).toBeUndefined();
  await expect.poll(() => healthy('pets'), soon).toBe('0 of 1, MachinesUnhealthy');
  expect((await statusOf('pets'))?.conditions?.find(({ type }) => type === 'Ready')?.message).toBe(
    'pet: Node node-pet is gone; not replaced: it has no owner that would create another',
  );
  expect((await lab.get('pet'))?.metadata.deletionTimestamp).toBeUndefined();
});

it('Nodes of another cluster are read with its kubeconfig; while they cannot be read, no machine is replaced', async () => {
  const kubeconfig = await readFile(lab.kube.kubeconfig, 'utf8');
  const site = {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Cluster',
    metadata: { name: 'site' },
    spec: {},
  };
  await lab.apply(site, secret(kubeconfig.replace(/server: .*/, 'server: https://127.0.0.1:1')));
  await lab.apply(workers(1, { clusterName: 'site' }), check('check', { clusterName: 'site' }));
  await expect.poll(() => healthy(), soon).toMatch(/NodesUnreadable$/);
  await lab.apply(secret(kubeconfig));
  await nodesFor(1);
  await expect.poll(() => healthy(), soon).toBe('1 of 1, AsSpecified');
  await lab.kubectl('delete', 'machinesets', '--all');
  await lab.kubectl('delete', 'cluster/site', 'secret/site-kubeconfig');
});

it('an API server and a host that no longer answer do not delay other machines', async () => {
  // Answers the first list of Nodes, and nothing after that.
  let lists = 0;
  const silent = await FakeServer.startSecure((_, response) => {
    lists += 1;
    if (lists === 1) response.end('{"metadata":{"resourceVersion":"1"},"items":[]}');
  });
  const host = createServer(() => {});
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  const uri = `qemu+tcp://127.0.0.1:${(host.address() as AddressInfo).port}/system`;

  const metadata = { name: 'silent-kubeconfig', namespace: 'default' };
  const stringData = { value: silent.kubeconfig };
  const pet = lab.machine('pet', { running: true }, { labels: { app: 'pets' } }) as { spec: object };
  await lab.apply(
    object('Cluster', 'silent', {}),
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData },
    { ...pet, spec: { ...pet.spec, clusterName: 'silent' } },
    check('pets', { clusterName: 'silent', selector: { matchLabels: { app: 'pets' } } }),
    ...Array.from({ length: 20 }, (_, i) => lab.machine(`mute-${i}`, { uri })),
  );
  await expect.poll(() => healthy('pets'), soon).toMatch(/NodesUnreadable$/);
  await expect.poll(() => lab.ready('mute-0'), soon).toBe('False LibvirtUnreachable');
  expect(await controller.fetch('/metrics')).toMatch(/^workqueue_running\{name="machine"\} [012]$/m);

  await lab.apply(workers(1), check());
  await nodesFor(1);
  await expect.poll(() => healthy(), soon).toBe('1 of 1, AsSpecified');
  expect(await controller.fetch('/healthz')).toBe('ok\n');
  expect(await controller.stop()).toEqual([0, null]);
  host.close();
  silent.close();
  const mute = Array.from({ length: 20 }, (_, i) => `mute-${i}`);
  await lab.kubectl('delete', 'machines', '--wait=false', ...mute);
  const none = JSON.stringify({ metadata: { finalizers: null } });
  for (const name of mute)
    await lab.kubectl('patch', 'machine', name, '--type=merge', '-p', none).catch(() => {});
  controller = await ControllerProcess.start(lab.env());
  await lab.kubectl('delete', 'machinesets,machines', '--all');
  await lab.kubectl('delete', 'cluster/silent', 'secret/silent-kubeconfig');
});

it('a controller that lost its lease starts no further work, and exits', async () => {
  const holder = { spec: { holderIdentity: 'another' } };
  const patch = ['-n', 'default', 'lease/caplv-controller', '--type=merge', '-p', JSON.stringify(holder)];
  await lab.kubectl('patch', ...patch);
  expect(await controller.says('Controller failed')).toMatchObject({
    error: 'lost the lease default/caplv-controller: held by another now',
  });
  expect(await controller.exited).toEqual([1, null]);
  await lab.kubectl('delete', 'lease/caplv-controller');
  controller = await ControllerProcess.start(lab.env());
});

/** Approves further deletions, as a person would who knows why so many machines are unhealthy. */
async function letGoOn(machine: string): Promise<void> {
  const until = new Date(Date.now() + 600_000).toISOString();
  await lab.kubectl('annotate', 'machine', machine, `cluster-api.k8s.io/proceed-until=${until}`);
}

function workers(replicas: number, spec: object = {}): object {
  const { providerSpec } = (lab.machine('', { running: true }) as { spec: { providerSpec: object } }).spec;
  return object('MachineSet', 'workers', {
    replicas,
    selector: { matchLabels: LABELS },
    template: { metadata: { labels: LABELS }, spec: { ...spec, providerSpec } },
  });
}

function check(name = 'check', spec: object = {}): object {
  return object('MachineHealthCheck', name, {
    selector: { matchLabels: LABELS },
    unhealthyConditions: [{ type: 'Ready', status: 'Unknown', timeout: '1s' }],
    ...spec,
  });
}

function secret(kubeconfig: string): object {
  const metadata = { name: 'site-kubeconfig', namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { value: kubeconfig } };
}

function object(kind: string, name: string, spec: object): object {
  return { apiVersion: 'cluster-api.k8s.io/v1alpha1', kind, metadata: { name, namespace: 'default' }, spec };
}

async function machines(labels: Record<string, string> = LABELS) {
  const all = await lab.client.list(MachineKind, { namespace: 'default' });
  return all.items.filter(({ metadata }) => metadata.labels?.['app'] === labels['app']);
}

/** Registers the machines as their kubelets would. Resolves to their names when each knows its Node. */
async function nodesFor(count: number, labels = LABELS): Promise<string[]> {
  await expect
    .poll(
      async () => (await machines(labels)).filter(({ status }) => status?.phase === 'Running').length,
      soon,
    )
    .toBe(count);
  for (const { metadata, spec, status } of await machines(labels)) {
    if (status?.nodeRef) continue;
    const node = { name: `node-${metadata.name}` };
    await lab.apply({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: node,
      spec: { providerID: spec.providerID },
    });
    await setReady(metadata.name, 'True');
  }
  await expect
    .poll(async () => (await machines(labels)).filter(({ status }) => status?.nodeRef).length, soon)
    .toBe(count);
  return (await machines(labels)).map(({ metadata }) => metadata.name);
}

async function setReady(machine: string, status: string): Promise<void> {
  const now = new Date().toISOString();
  const ready = { type: 'Ready', status, lastHeartbeatTime: now, lastTransitionTime: now };
  const patch = JSON.stringify({ status: { conditions: [ready] } });
  await lab.kubectl('patch', 'node', `node-${machine}`, '--subresource=status', '--type=merge', '-p', patch);
}

async function statusOf(name = 'check'): Promise<MachineHealthCheck['status']> {
  return (await lab.client.get(MachineHealthCheckKind, { namespace: 'default', name }))?.status;
}

/** `2 of 2, AsSpecified`: healthy machines, and the reason of Ready. */
async function healthy(name = 'check'): Promise<string> {
  const { currentHealthy, expectedMachines, conditions } = (await statusOf(name)) ?? {};
  const ready = conditions?.find(({ type }) => type === 'Ready');
  return `${currentHealthy} of ${expectedMachines}, ${ready?.reason}`;
}

async function remediation(): Promise<string> {
  const found = (await statusOf())?.conditions?.find(({ type }) => type === 'RemediationAllowed');
  return `${found?.reason}: ${found?.message}`;
}
