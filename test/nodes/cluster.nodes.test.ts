/**
 * Verifies the life of a kubeadm cluster on emulated guests. Each test continues from the one before, since a cluster takes
 * minutes to start.
 */

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiObject } from '../capi/api-objects.ts';
import { BUSYBOX_IMAGE } from '../lab/node-image/container-images.ts';
import { NodeWorld } from './node-world.ts';
import { Steps } from './steps.ts';
import type { Workload } from './workload.ts';

const CLUSTER = 'fuji';
const DEPLOYMENT = `${CLUSTER}-worker`;
const MINUTE = 60_000;

const poll = (minutes: number) => ({ timeout: minutes * MINUTE, interval: 2_000 });

const INITIALISED = 'the control plane is initialised';
const JOINED = 'the worker joins, and both Nodes are Ready';
const ANSWERS = 'a pod on the worker answers';
const GROWN = 'a second worker joins';
const SHRUNK = 'one worker is drained and goes';
const REPAIRED = 'a worker whose domain was destroyed comes back as the same Node';
const DELETED = 'the Cluster is deleted';
const PLANNED = [INITIALISED, JOINED, ANSWERS, GROWN, SHRUNK, REPAIRED, DELETED];

const steps = new Steps();
let world: NodeWorld;
let workload: Workload;

beforeAll(async () => {
  world = await NodeWorld.up('test-nodes', (line) => console.error(line));
}, 40 * MINUTE);

afterAll(async () => {
  await steps.write(PLANNED);
  await world?.down();
}, 5 * MINUTE);

const machines = () => world.objects.list('machines.cluster.x-k8s.io');
const isWorker = ({ metadata }: ApiObject) =>
  metadata.labels?.['cluster.x-k8s.io/control-plane'] === undefined;
const scale = (replicas: number) =>
  world.objects.patch('machinedeployments.cluster.x-k8s.io', DEPLOYMENT, { spec: { replicas } });

/** Names of the Nodes whose Machines run, as the management cluster knows them. */
async function runningNodes(): Promise<string[]> {
  const running = (await machines()).filter(({ status }) => status?.phase === 'Running');
  return running.map(({ status }) => status?.nodeRef?.name ?? '').sort();
}

/** Resolves when that many Machines run, each with a Node that is Ready and has our providerID. Returns their names. */
async function nodesReady(count: number, minutes: number): Promise<string[]> {
  const providerIDs = async () =>
    new Map(
      (await world.objects.list('libvirtmachines')).map(({ metadata, spec }) => [
        metadata.name,
        spec?.providerID,
      ]),
    );
  await expect.poll(async () => [...(await workload.readyNodes()).keys()].length, poll(minutes)).toBe(count);
  await expect.poll(async () => (await runningNodes()).length, poll(minutes)).toBe(count);
  const nodes = await workload.readyNodes();
  expect(await runningNodes()).toEqual([...nodes.keys()].sort());
  expect(nodes).toEqual(await providerIDs());
  for (const id of nodes.values()) expect(id).toMatch(/^libvirt:\/\/\/[0-9a-f-]{36}$/);
  return [...nodes.keys()];
}

it(INITIALISED, { timeout: 25 * MINUTE }, () =>
  steps.run(INITIALISED, async () => {
    await world.objects.applyText(await world.generate(CLUSTER));
    const initialised = async () => {
      const cluster = await world.objects.get('clusters.cluster.x-k8s.io', CLUSTER);
      const { initialization } = (cluster?.status ?? {}) as {
        initialization?: { controlPlaneInitialized?: boolean };
      };
      return initialization?.controlPlaneInitialized;
    };
    await expect.poll(initialised, poll(20)).toBe(true);
    workload = await world.workload(CLUSTER);
    const domain = (await world.domains()).find((name) => name.includes('control-plane')) ?? '';
    const xml = await world.virsh('dumpxml', domain);
    expect(xml).toMatch(/<tb-cache unit='KiB'>2097152</);
    return `${world.network.endpoint}:6443 answers`;
  }),
);

it(JOINED, { timeout: 20 * MINUTE }, () =>
  steps.run(JOINED, async () => {
    const names = await nodesReady(2, 15);
    expect(await world.domains()).toHaveLength(2);
    return names.join(', ');
  }),
);

it(ANSWERS, { timeout: 12 * MINUTE }, () =>
  steps.run(ANSWERS, async () => {
    const worker = (await machines()).find(isWorker)?.status?.nodeRef?.name ?? '';
    await workload.kubectl(['apply', '--filename=-'], JSON.stringify(webPod(worker)));
    const ask = () =>
      workload
        .kubectl(['exec', 'web', '--', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/'])
        .catch(() => undefined);
    await expect.poll(ask, poll(10)).toBe('it answers');
    return `pod web on ${worker}`;
  }),
);

it(GROWN, { timeout: 20 * MINUTE }, () =>
  steps.run(GROWN, async () => {
    await scale(2);
    return (await nodesReady(3, 15)).join(', ');
  }),
);

it(SHRUNK, { timeout: 20 * MINUTE }, () =>
  steps.run(SHRUNK, async () => {
    await scale(1);
    await expect.poll(async () => (await world.domains()).length, poll(15)).toBe(2);
    await expect.poll(async () => (await workload.nodes()).length, poll(5)).toBe(2);
    return (await nodesReady(2, 5)).join(', ');
  }),
);

it(REPAIRED, { timeout: 20 * MINUTE }, () =>
  steps.run(REPAIRED, async () => {
    const worker = (await machines()).find(isWorker)?.status?.nodeRef?.name ?? '';
    const node = async () => (await workload.nodes()).find(({ metadata }) => metadata.name === worker);
    const bootOf = async () =>
      ((await node().catch(() => undefined))?.status?.['nodeInfo'] as { bootID?: string } | undefined)
        ?.bootID;
    const [before, boot] = [await node(), await bootOf()];
    const domain = (await world.domains()).find((name) => name.endsWith(worker)) ?? '';
    await world.virsh('destroy', domain);
    await expect.poll(bootOf, poll(15)).not.toBe(boot);
    await nodesReady(2, 10);
    expect((await node())?.metadata.uid).toBe(before?.metadata.uid);
    return worker;
  }),
);

it(DELETED, { timeout: 20 * MINUTE }, () =>
  steps.run(DELETED, async () => {
    await world.objects.delete('clusters.cluster.x-k8s.io', CLUSTER);
    await expect
      .poll(() => world.objects.get('clusters.cluster.x-k8s.io', CLUSTER), poll(15))
      .toBeUndefined();
    // The Secrets of the cluster are for the garbage collector, which comes after it.
    await expect.poll(leftovers, poll(3)).toEqual([]);
    return 'no domain, volume, Secret or lease is left';
  }),
);

/** Returns what is left of the cluster, in the API server and on the host. */
async function leftovers(): Promise<string[]> {
  const kinds = ['machines.cluster.x-k8s.io', 'libvirtmachines', 'libvirtclusters', 'secrets', 'leases'];
  const objects = await Promise.all(
    kinds.map(async (kind) =>
      (await world.objects.list(kind)).map(({ metadata }) => `${kind} ${metadata.name}`),
    ),
  );
  const volumes = (await world.virsh('vol-list', 'default'))
    .split('\n')
    .map((line) => `volume ${line.trim()}`);
  const domains = (await world.domains()).map((name) => `domain ${name}`);
  return [...objects.flat(), ...volumes, ...domains].filter((one) => one.includes(CLUSTER));
}

function webPod(node: string): object {
  const serve = 'mkdir /web; echo it answers >/web/index.html; exec httpd -f -p 8080 -h /web';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node },
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'web', image: BUSYBOX_IMAGE, imagePullPolicy: 'Never', command: ['sh', '-c', serve] },
      ],
    },
  };
}
