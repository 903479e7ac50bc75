/** Verifies Clusters, placement, Nodes and the command line at a real API server. */

import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NodeKind } from '../../src/app/workload-node.ts';
import { LeaseKind } from '../../src/kube/client/lease.ts';
import { requestPem } from '../controllers/certificate/kubelet-request.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

// A guest that boots beside others needs minutes.
vi.setConfig({ testTimeout: 400_000 });
const soon = { timeout: 120_000, interval: 100 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-cluster', 2);
  controller = await ControllerProcess.start(lab.env(), ['--serving-certificates', 'approve']);
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

afterEach(async () => {
  await lab.kubectl('delete', 'machinedeployments,machinesets,machines', '--all', '--wait=true');
  await expect.poll(() => lab.kubectl('get', 'machines', '-o', 'name'), soon).toBe('');
  await lab.kubectl('delete', 'clusters', '--all', '--wait=true');
});

const cluster = () => ({
  apiVersion: 'cluster-api.k8s.io/v1alpha1',
  kind: 'Cluster',
  metadata: { name: 'two', namespace: 'default' },
  spec: {
    providerSpec: {
      hosts: lab.lab.hosts.map(({ name, uri }) => ({ name, uri, failureDomain: name })),
    },
  },
});

/** A Cluster that makes a network on the first host. */
const withLan = (name: string, address: string) => ({
  ...cluster(),
  metadata: { name, namespace: 'default' },
  spec: {
    providerSpec: {
      uri: lab.lab.hosts[0]?.uri,
      network: { name: 'lan', mode: 'none', addresses: [address] },
    },
  },
});

async function manifest(name: string, ...objects: readonly object[]): Promise<string> {
  const path = join(lab.lab.directory, `${name}.yaml`);
  await writeFile(path, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  return path;
}

describe('a Cluster of two hosts', () => {
  it('spreads its machines evenly, and is deleted after them', async () => {
    await lab.apply(cluster(), ...['a', 'b', 'c', 'd'].map((name) => lab.machine(name)));
    for (const name of ['a', 'b', 'c', 'd']) await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
    expect((await lab.host(0)).domains).toHaveLength(2);
    expect((await lab.host(1)).domains).toHaveLength(2);

    await lab.kubectl('delete', 'cluster', 'two', '--wait=false');
    await expect.poll(() => lab.kubectl('get', 'cluster', 'two'), soon).toMatch(/Deleting/);
    await lab.kubectl('delete', 'machines', '--all');
    await expect.poll(() => lab.kubectl('get', 'clusters', '-o', 'name'), soon).toBe('');
    await expect.poll(() => lab.host(0), soon).toEqual({ domains: [], volumes: [] });
    await expect.poll(() => lab.host(1), soon).toEqual({ domains: [], volumes: [] });
  });
});

describe('a network that two Clusters manage, each with its own addresses', () => {
  const lan = async () => {
    const { stdout } = await execa('virsh', ['-c', lab.lab.hosts[0]?.uri ?? '', 'net-dumpxml', 'lan']);
    return /<ip [^>]*address='([^']+)'/.exec(stdout)?.[1];
  };
  const ready = (name: string) =>
    lab.kubectl('get', 'cluster', name, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}');

  it('belongs to the older one, and to the other one after the older one is deleted', async () => {
    await lab.apply(withLan('first', '10.99.1.0/24'));
    await expect.poll(() => ready('first'), soon).toBe('AsSpecified');
    // Of the state that the controller keeps in its own namespace.
    const moved = await lab.caplv('plan', '-f', await manifest('moved', withLan('first', '10.99.9.0/24')));
    expect(moved.stdout).toMatch(/^host \S+: replace\n {2}-\/\+ libvirt_network\.network_lan\n/);
    expect(moved.exitCode).toBe(2);
    const other = await lab.caplv('plan', '-f', await manifest('other', withLan('second', '10.99.2.0/24')));
    expect(other).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('default/first') });
    await lab.apply(
      withLan('second', '10.99.2.0/24'),
      lab.machine('a', {}, { labels: { 'cluster-api.k8s.io/cluster-name': 'second' } }),
    );
    await expect.poll(() => ready('second'), soon).toBe('NotOwned');
    expect(await lab.kubectl('describe', 'cluster', 'second')).toContain('default/first');
    await expect.poll(() => lab.ready('a'), soon).toBe('False NotOwned');
    expect(await lan()).toBe('10.99.1.1');
    expect((await lab.host(0)).domains).toEqual([]);

    await lab.kubectl('delete', 'cluster', 'first');
    await expect.poll(() => ready('second'), soon).toBe('AsSpecified');
    expect(await lan()).toBe('10.99.2.1');
    await expect.poll(() => lab.ready('a'), soon).toMatch(/^True/);
  });
});

it('a change that would replace a network waits for the approval of its plan, and stops only its own Cluster', async () => {
  const uri = lab.lab.hosts[0]?.uri;
  const net = (address: string) => ({
    ...cluster(),
    metadata: { name: 'edited', namespace: 'default' },
    spec: { providerSpec: { uri, network: { name: 'edited', mode: 'none', addresses: [address] } } },
  });
  const xml = async () => (await execa('virsh', ['-c', uri ?? '', 'net-dumpxml', 'edited'])).stdout;
  const field = (path: string) => lab.kubectl('get', 'cluster', 'edited', '-o', `jsonpath={${path}}`);
  await lab.apply(net('10.99.3.0/24'), lab.machine('in-edited'));
  await expect.poll(() => lab.ready('in-edited'), soon).toMatch(/^True/);

  await lab.apply(net('10.99.4.0/24'));
  await expect.poll(() => field('.status.errorReason'), soon).toBe('ReplaceRefused');
  expect(await field('.status.providerStatus.lastPlan.actions[*].action')).toBe('replace');
  await lab.apply(lab.machine('in-edited', { autostart: true }), lab.machine('beside'));
  await expect.poll(() => lab.ready('beside'), soon).toMatch(/^True/);
  await expect.poll(() => lab.virsh('dominfo', 'default.in-edited'), soon).toMatch(/Autostart: +enable/);
  await expect.poll(() => lab.ready('in-edited'), soon).toMatch(/^True/);
  await lab.kubectl('delete', 'machine', 'beside', '--wait=true');
  expect(await xml()).toContain('10.99.3.1');

  const id = await field('.status.providerStatus.lastPlan.id');
  await lab.kubectl('annotate', 'cluster', 'edited', `cluster-api.k8s.io/approve-plan=${id}`);
  await expect.poll(() => field('.status.phase'), soon).toBe('Provisioned');
  expect(await xml()).toContain('10.99.4.1');
  expect(await field('.status.errorReason')).toBe('');
});

it('a machine that cannot be created on its host is created on another', async () => {
  const [first] = lab.lab.hosts;
  await execa('virsh', ['-c', first?.uri ?? '', 'pool-destroy', 'default']);
  try {
    await lab.apply(cluster(), lab.machine('a'), lab.machine('b'));
    for (const name of ['a', 'b']) await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
    expect((await lab.host(1)).domains.sort()).toEqual(['default.a', 'default.b']);
    expect(await lab.kubectl('get', 'machine', 'a', '--no-headers')).toContain('host-2');
  } finally {
    await execa('virsh', ['-c', first?.uri ?? '', 'pool-start', 'default']);
  }
});

describe('the command line, on a cluster', () => {
  it('applies, waits for, shows, plans and deletes what the controller creates', async () => {
    const file = await manifest('cli', cluster(), lab.machine('cli'));
    const planned = await lab.caplv('plan', '-f', file);
    expect(planned).toMatchObject({ exitCode: 2, stdout: expect.stringContaining('machine/cli: create') });
    expect(await lab.kubectl('get', 'machines,secrets', '-o', 'name')).toBe('');

    const applied = await lab.caplv('apply', '-f', file, '--wait=60s');
    expect(applied.stderr).toMatch(
      /^warning: machine\/cli: spec\.providerSpec\.imageURI: \/.* is read on the machine of the controller/m,
    );
    expect(applied).toMatchObject({ exitCode: 0, stdout: 'cluster/two created\nmachine/cli created' });
    expect((await lab.caplv('apply', '-f', file)).stdout).toBe(
      'cluster/two unchanged\nmachine/cli unchanged',
    );
    expect(await lab.caplv('plan', '-f', file)).toMatchObject({
      exitCode: 0,
      stdout: 'cluster/two: no changes\nmachine/cli: no changes',
    });

    expect((await lab.caplv('get', 'machines')).stdout).toMatch(/^cli +Provisioned +True +AsSpecified/m);
    expect((await lab.caplv('describe', 'machines', 'cli')).stdout).toMatch(/libvirt_domain\.machine/);
    expect((await lab.caplv('describe', 'cl', 'two')).stdout.split('\n').slice(1)).toEqual([
      expect.stringMatching(/^Cluster\/two +Provisioned +True/),
      expect.stringMatching(/^└─Machine\/cli +Provisioned +True/),
      expect.stringMatching(/^Events: +<none>$/),
    ]);
    const tree = JSON.parse((await lab.caplv('describe', 'cluster', 'two', '-o', 'json')).stdout);
    expect(tree).toMatchObject({ kind: 'Cluster', children: [{ kind: 'Machine', name: 'cli' }] });

    expect((await lab.caplv('state', 'list', 'cli')).stdout.split('\n')).toContain('libvirt_domain.machine');
    const shown = await lab.caplv('state', 'show', 'cli', 'libvirt_domain.machine', '-o', 'json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ name: 'default.cli' });
    expect(JSON.parse((await lab.caplv('state', 'pull', 'cli')).stdout)).toMatchObject({ version: 4 });

    const printed = await lab.caplv('console', 'cli', '--print');
    expect(printed.stdout).toMatch(/^virsh --connect .* console default\.cli$/);
    const exported = join(lab.lab.directory, 'exported');
    expect(await lab.caplv('export', 'machine', 'cli', exported)).toMatchObject({ exitCode: 0 });
    const terraform = await execa('terraform', [`-chdir=${exported}`, 'plan', '-input=false'], {
      env: lab.env() as Record<string, string>,
    });
    expect(terraform.stdout).toContain('No changes.');

    const deleted = await lab.caplv('delete', '-f', file);
    expect(deleted).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await lab.host(0)).domains.concat((await lab.host(1)).domains)).toEqual([]);
  });

  it('plans several new machines on the hosts on which they will be created', async () => {
    const names = ['p1', 'p2', 'p3', 'p4'];
    const file = await manifest('plan-many', cluster(), ...names.map((name) => lab.machine(name)));
    const planned = await lab.caplv('plan', '-f', file);
    expect(planned.stdout.match(/on host-1$/gm)).toHaveLength(2);
    expect(planned.stdout.match(/on host-2$/gm)).toHaveLength(2);
  });

  it('plans the machines that the controller creates for a deployment, and stores none of them', async () => {
    const file = await manifest('fleet', lab.fleet('MachineDeployment', 'web', { replicas: 2 }));
    const planned = await lab.caplv('plan', '-f', file);
    expect(planned.exitCode).toBe(2);
    expect(planned.stdout).toMatch(/^machinedeployment\/web: create; machines: 2 to create\n/);
    expect(await lab.kubectl('get', 'machinedeployments,machinesets,machines', '-o', 'name')).toBe('');
    const names = [...planned.stdout.matchAll(/ {2}\+ machine\/(\S+)/g)].map(([, name]) => name);
    await lab.caplv('apply', '-f', file);
    const made = () => lab.kubectl('get', 'machines', '-o', 'jsonpath={.items[*].metadata.name}');
    await expect.poll(async () => (await made()).split(' '), soon).toEqual(names);
    await lab.kubectl('scale', 'machinedeployment', 'web', '--replicas=3');
    await expect.poll(async () => (await made()).split(' '), soon).toHaveLength(3);
    const back = await lab.caplv('plan', '-f', file);
    expect(back.stdout).toMatch(
      /^machinedeployment\/web: update; machines: 1 to delete\n {6}spec\.replicas\n/,
    );
  });

  it('plans machines without the right to read states, and says where that is not enough', async () => {
    const kinds = ['clusters', 'machines', 'machinesets', 'machinedeployments'];
    const resources = [...kinds.map((kind) => `${kind}.cluster-api.k8s.io`), 'namespaces'].join();
    await lab.kubectl('create', 'clusterrole', 'viewer', '--verb=get,list', `--resource=${resources}`);
    await lab.kubectl('create', 'clusterrolebinding', 'viewer', '--clusterrole=viewer', '--user=viewer');
    const viewer = ['--kubeconfig', await lab.kube.userKubeconfig('viewer')];
    const objects = await manifest('viewer', cluster(), lab.machine('v'));
    const planned = await lab.caplv('plan', '-f', objects, ...viewer);
    expect(planned.stdout).toMatch(/^cluster\/two: no changes\nmachine\/v: create on host-[12]\n/);
    expect(planned.exitCode).toBe(2);
    const made = await manifest('viewer-lan', withLan('lan', '10.99.5.0/24'));
    const refused = await lab.caplv('plan', '-f', made, ...viewer);
    expect(refused.stderr).toMatch(/"viewer" cannot list resource "secrets".* \[Forbidden\]\n {2}fix: /);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  });

  it('says what is wrong with a kubeconfig, or that its server does not answer', async () => {
    for (const command of ['get', 'plan', 'describe', 'state', 'console', 'export'] as const) {
      const rest = {
        get: ['machines'],
        plan: ['-f', await manifest('any', lab.machine('any'))],
        describe: ['machine', 'a'],
        state: ['pull', 'a'],
        console: ['a'],
        export: ['machine', 'a', join(lab.lab.directory, 'export')],
      }[command];
      const { exitCode, stderr } = await lab.caplv(command, ...rest, '--kubeconfig', '/nope');
      expect(stderr, command).toContain(
        'error: /nope: there is no such file [InvalidConfiguration]\n  fix: ',
      );
      expect(exitCode).toBe(3);
    }
    const text = await readFile(lab.kube.kubeconfig, 'utf8');
    const dead = join(lab.lab.directory, 'dead.kubeconfig');
    await writeFile(dead, text.replace(/server: .*/, 'server: https://127.0.0.1:1'));
    const { exitCode, stderr } = await lab.caplv('get', 'machines', '--kubeconfig', dead);
    expect(stderr).toMatch(/no answer from https:\/\/127\.0\.0\.1:1.* \[Unreachable\]\n {2}fix: /);
    expect(exitCode).toBe(1);
  });

  it('says why a machine does not become ready', async () => {
    const file = await manifest('bad', lab.machine('bad', { imageURI: '/nowhere.qcow2' }));
    const applied = await lab.caplv('apply', '-f', file, '--wait=3s');
    expect(applied.exitCode).toBe(5);
    expect(applied.stderr).toContain('machine/bad  ImageNotFound: ');
  });
});

it('npx cdktf works on the live Machine, with the state and the lock of the controller', async () => {
  const text = '#cloud-config\n# planted-in-cluster\n';
  await lab.apply(lab.machine('shared', { running: true, userData: text }));
  await expect.poll(() => lab.ready('shared'), soon).toMatch(/^True/);
  const cdktf = async (...args: string[]) => {
    const { all } = await execa('cdktf', [...args, '--output', join(lab.lab.directory, 'cdktf.out')], {
      cwd: join(import.meta.dirname, '../..'),
      env: { ...lab.env(), CI: '1' } as Record<string, string>,
      preferLocal: true,
      all: true,
    });
    expect(all).not.toContain('planted');
    return all;
  };
  expect(await cdktf('diff', 'shared', '--skip-provider-lock')).toContain('No changes');

  // While the controller looks away, and sees afterwards that there is nothing left to do.
  await lab.kubectl('annotate', 'machine', 'shared', 'cluster-api.k8s.io/paused=');
  await lab.apply(lab.machine('shared', { running: true, userData: text, autostart: true }));
  expect(await cdktf('deploy', 'shared', '--auto-approve', '--skip-provider-lock')).toContain('1 changed');
  const before = await lab.virsh('domuuid', 'default.shared');
  await lab.kubectl('annotate', 'machine', 'shared', 'cluster-api.k8s.io/paused-');
  await expect.poll(() => lab.ready('shared'), soon).toMatch(/^True/);
  expect(await lab.virsh('domuuid', 'default.shared')).toBe(before);
  expect(await lab.kubectl('get', 'secrets', '-o', 'name')).not.toContain('tfstate-default');
});

it("a machine's status names its Node", async () => {
  await lab.apply(lab.machine('noded', { running: true }));
  await expect.poll(() => lab.get('noded').then((m) => m?.status?.phase), soon).toBe('Running');
  const machine = await lab.get('noded');
  await lab.apply({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1' },
    spec: { providerID: machine?.spec.providerID },
  });
  await expect.poll(() => lab.get('noded').then((m) => m?.status?.nodeRef?.name), soon).toBe('node-1');
  await lab.kubectl('delete', 'node', 'node-1');
});

it('the Node of a machine in another cluster gets labels, taints and its serving certificate, and is deleted with the machine after its pods have left', async () => {
  const workload = await KubeLab.up({ dir: await mkdtemp(join(tmpdir(), 'caplv-workload-')) });
  const client = await workload.client();
  try {
    const machine = lab.machine('joined', { running: true }) as { readonly spec: object };
    const given = { metadata: { labels: { tier: 'web' } }, taints: [{ key: 'gpu', effect: 'NoSchedule' }] };
    await lab.apply(cluster(), { ...machine, spec: { ...machine.spec, ...given } });
    const kubeconfig = `--from-file=value=${workload.kubeconfig}`;
    await lab.kubectl('create', 'secret', 'generic', 'two-kubeconfig', kubeconfig);
    await lab.kubectl('label', 'machine', 'joined', 'cluster-api.k8s.io/cluster-name=two');
    await expect.poll(() => lab.get('joined').then((m) => m?.status?.phase), soon).toBe('Running');
    const spec = { providerID: (await lab.get('joined'))?.spec.providerID };
    const nodeNamed = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec });
    await requestCertificates(workload, (await lab.get('joined'))?.status?.addresses ?? []);
    // A Node of that providerID where the Machine is, and not where it belongs, is another's.
    await lab.apply(nodeNamed('elsewhere'));
    await client.create(NodeKind, nodeNamed('joined-node'));
    await expect
      .poll(() => lab.get('joined').then((m) => m?.status?.nodeRef?.name), soon)
      .toBe('joined-node');
    expect(await lab.kubectl('get', 'machine', 'joined', '--no-headers')).toMatch(/joined-node/);

    expect((await lab.caplv('kubeconfig', 'two')).stdout).toBe(
      (await readFile(workload.kubeconfig, 'utf8')).trimEnd(),
    );
    expect((await lab.caplv('describe', 'cluster', 'two')).stdout).toContain('Node/joined-node');

    const inCluster = async (...args: string[]) => {
      const { stdout } = await execa(workload.kubectl, ['--kubeconfig', workload.kubeconfig, ...args]);
      return stdout;
    };
    const path = '{.metadata.labels.tier} {.spec.taints[*].key}';
    const labels = () => inCluster('get', 'node', 'joined-node', '--output', `jsonpath=${path}`);
    // A taint of the workload cluster's own stays.
    const notReady = 'node.kubernetes.io/not-ready';
    await expect.poll(labels, soon).toBe(`web ${notReady} gpu`);
    const change = { spec: { metadata: { labels: { tier: 'db' } }, taints: null } };
    await lab.kubectl('patch', 'machine', 'joined', '--type=merge', '-p', JSON.stringify(change));
    await expect.poll(labels, soon).toBe(`db ${notReady}`);
    const node = ['node', 'joined-node'];
    await inCluster('label', ...node, 'theirs=yes');
    const ready = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
    await inCluster('patch', ...node, '--subresource=status', '--type=merge', '-p', JSON.stringify(ready));
    await lab.kubectl('wait', '--for=condition=NodeReady', 'machine/joined', '--timeout=60s');

    await inCluster('wait', '--for=condition=Approved', 'csr/own', '--timeout=60s');
    const refused = async () =>
      lab.kubectl('get', 'events', '--field-selector=reason=ServingCertificateRefused', '-o', 'name');
    await expect.poll(refused, soon).not.toBe('');
    expect(await inCluster('get', 'csr/foreign', '--output=jsonpath={.status.conditions}')).toBe('');

    const overrides = { spec: { nodeName: 'joined-node', terminationGracePeriodSeconds: 0 } };
    await inCluster(
      'run',
      'web',
      '--image=web',
      '--labels=app=web',
      `--overrides=${JSON.stringify(overrides)}`,
    );
    // A budget does not count pods that do not run yet.
    const running = JSON.stringify({ status: { phase: 'Running' } });
    await inCluster('patch', 'pod', 'web', '--subresource=status', '--type=merge', '-p', running);
    await inCluster('create', 'poddisruptionbudget', 'web', '--selector=app=web', '--min-available=1');
    await lab.kubectl('delete', 'machine', 'joined', '--wait=false');
    const drained = async () =>
      (await lab.get('joined'))?.status?.conditions?.find(({ type }) => type === 'NodeDrained')?.message;
    await expect.poll(drained, soon).toContain('default/web (its eviction is refused');
    expect(await inCluster('get', ...node, '--output=jsonpath={.spec.unschedulable}')).toBe('true');
    expect((await lab.host()).domains).toContain('default.joined');
    await inCluster('delete', 'poddisruptionbudget', 'web');
    await lab.kubectl('wait', '--for=delete', 'machine/joined', '--timeout=60s');
    expect(await inCluster('get', 'nodes,pods', '--output=name')).toBe('');
    expect((await lab.host()).domains).not.toContain('default.joined');
  } finally {
    await lab.kubectl('delete', 'node/elsewhere', 'secret/two-kubeconfig', '--ignore-not-found');
    client.close();
    await workload.down();
  }
});

/** Requests two certificates as the kubelet of machine `joined`: one for its own addresses, and one that has another one, too. */
async function requestCertificates(
  workload: KubeLab,
  addresses: readonly { readonly type: string; readonly address: string }[],
): Promise<void> {
  const admin = ['--kubeconfig', workload.kubeconfig];
  const role = ['--clusterrole=system:node-bootstrapper', '--group=system:nodes'];
  await execa(workload.kubectl, [...admin, 'create', 'clusterrolebinding', 'nodes', ...role]);
  const kubelet = await workload.userKubeconfig('system:node:joined', ['system:nodes']);
  const own = addresses.flatMap(({ type, address }) => (type === 'InternalIP' ? `IP:${address}` : []));
  const subject = '/O=system:nodes/CN=system:node:joined';
  const items = Object.entries({ own, foreign: [...own, 'IP:192.0.2.1'] }).map(([name, names]) => ({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      signerName: 'kubernetes.io/kubelet-serving',
      usages: ['digital signature', 'server auth'],
      request: btoa(requestPem({ subject, names: ['DNS:joined', ...names] })),
    },
  }));
  await execa(workload.kubectl, ['--kubeconfig', kubelet, 'create', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  });
}

it('a second controller takes over from a killed one, and creates nothing twice', async () => {
  const second = await ControllerProcess.start(lab.env(), [], 'Waiting for the lease');
  try {
    const names = ['k1', 'k2', 'k3', 'k4'];
    await lab.apply(...names.map((name) => lab.machine(name)));
    await controller.kill();
    for (const name of names) await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
    expect((await lab.host(0)).domains.sort()).toEqual(names.map((name) => `default.${name}`));
    const lease = await lab.client.get(LeaseKind, { namespace: 'default', name: 'caplv-controller' });
    expect(lease?.spec.leaseTransitions).toBeGreaterThan(0);
  } finally {
    controller = second;
  }
});
