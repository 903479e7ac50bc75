/**
 * Verifies the life of two kubeadm clusters on emulated guests, one after the other; the second comes up under accidents. Each test continues from
 * the one before, since a cluster takes minutes to start.
 */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_IMAGE } from '../lab/node-image/container-images.ts';
import { accidents, KILLS, SEED } from './accidents.ts';
import { NodeCluster, poll } from './node-cluster.ts';
import { NodeWorld } from './node-world.ts';
import { Steps } from './steps.ts';

const CLUSTER = 'fuji';
const SECOND = 'haku';
const MINUTE = 60_000;

const INITIALISED = 'the control plane is initialised';
const JOINED = 'the worker joins, and both Nodes are Ready';
const ANSWERS = 'a pod on the worker answers';
const GROWN = 'a second worker joins';
const SHRUNK = 'one worker is drained and goes';
const REPAIRED = 'a worker whose domain was destroyed comes back as the same Node';
const DELETED = 'the Cluster is deleted';
const KILLED = 'another cluster comes up while the controller is killed and libvirtd restarted';
const CERTIFIED = 'the kubelets have the serving certificates that they asked for';
const ROLLED = 'a changed template replaces the worker, whose Node goes after its successor is Ready';
const REPLACED = 'a MachineHealthCheck replaces a worker whose domain was destroyed';
const PLANNED = [
  ...[INITIALISED, JOINED, ANSWERS, GROWN, SHRUNK, REPAIRED, DELETED],
  ...[KILLED, CERTIFIED, ROLLED, REPLACED],
];

const steps = new Steps();
let world: NodeWorld;
/** The one that is there. */
let cluster: NodeCluster;

beforeAll(async () => {
  world = await NodeWorld.up('test-nodes', (line) => console.error(line));
  cluster = new NodeCluster(world, CLUSTER);
}, 40 * MINUTE);

afterAll(async () => {
  await steps.write(PLANNED);
  await world?.down();
}, 5 * MINUTE);

it(INITIALISED, { timeout: 25 * MINUTE }, () =>
  steps.run(INITIALISED, async () => {
    await cluster.apply();
    await cluster.initialised(20);
    const domain = (await world.domains()).find((name) => name.includes('control-plane')) ?? '';
    const xml = await world.virsh('dumpxml', domain);
    expect(xml).toMatch(/<tb-cache unit='KiB'>2097152</);
    return `${world.network.endpoint}:6443 answers`;
  }),
);

it(JOINED, { timeout: 20 * MINUTE }, () =>
  steps.run(JOINED, async () => {
    const names = await cluster.nodesReady(2, 15);
    expect(await world.domains()).toHaveLength(2);
    return names.join(', ');
  }),
);

it(ANSWERS, { timeout: 12 * MINUTE }, () =>
  steps.run(ANSWERS, async () => {
    const [worker = ''] = await cluster.workers();
    await cluster.workload.kubectl(['apply', '--filename=-'], JSON.stringify(webPod(worker)));
    const ask = () =>
      cluster.workload
        .kubectl(['exec', 'web', '--', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/'])
        .catch(() => undefined);
    await expect.poll(ask, poll(10)).toBe('it answers');
    return `pod web on ${worker}`;
  }),
);

it(GROWN, { timeout: 20 * MINUTE }, () =>
  steps.run(GROWN, async () => {
    await cluster.patchDeployment({ replicas: 2 });
    return (await cluster.nodesReady(3, 15)).join(', ');
  }),
);

it(SHRUNK, { timeout: 20 * MINUTE }, () =>
  steps.run(SHRUNK, async () => {
    await cluster.patchDeployment({ replicas: 1 });
    await expect.poll(async () => (await world.domains()).length, poll(15)).toBe(2);
    await expect.poll(async () => (await cluster.workload.nodes()).length, poll(5)).toBe(2);
    return (await cluster.nodesReady(2, 5)).join(', ');
  }),
);

it(REPAIRED, { timeout: 20 * MINUTE }, () =>
  steps.run(REPAIRED, async () => {
    const [worker = ''] = await cluster.workers();
    const node = () => cluster.workload.node(worker);
    const bootOf = async () =>
      ((await node().catch(() => undefined))?.status?.['nodeInfo'] as { bootID?: string } | undefined)
        ?.bootID;
    const [before, boot] = [await node(), await bootOf()];
    await destroyDomainOf(worker);
    await expect.poll(bootOf, poll(15)).not.toBe(boot);
    await cluster.nodesReady(2, 10);
    expect((await node())?.metadata.uid).toBe(before?.metadata.uid);
    return worker;
  }),
);

it(DELETED, { timeout: 20 * MINUTE }, () =>
  steps.run(DELETED, async () => {
    await cluster.delete(15);
    // The Secrets of the cluster are for the garbage collector, which comes after it.
    await expect.poll(leftovers, poll(3)).toEqual([]);
    return 'no domain, volume, Secret or lease is left';
  }),
);

it(KILLED, { timeout: 40 * MINUTE }, () =>
  steps.run(KILLED, async () => {
    console.error(`CAPLV_NODES_SEED=${SEED}`);
    cluster = new NodeCluster(world, SECOND);
    await cluster.apply();
    const ready = new AbortController();
    const killing = accidents(world, ready.signal);
    try {
      await cluster.initialised(30);
      await cluster.nodesReady(2, 20);
    } finally {
      ready.abort();
    }
    const kills = await killing;
    const names = await cluster.nodesReady(2, 10);
    expect(kills).toBe(KILLS);
    // A guest that were started again would join once more, with a token that is used up by then.
    const starts = [...(await world.starts())].filter(([name]) => name.includes(SECOND));
    expect(starts.map(([, count]) => count)).toEqual([1, 1]);
    expect(await cluster.joinTokens()).toBe(1);
    return `${names.join(', ')}; ${kills} kills, seed ${SEED}`;
  }),
);

it(CERTIFIED, { timeout: 10 * MINUTE }, () =>
  steps.run(CERTIFIED, async () => {
    const names = [...(await cluster.workload.readyNodes()).keys()].sort();
    await expect.poll(certifiedNodes, poll(8)).toEqual(names);
    return `${names.join(', ')}, approved by our controller`;
  }),
);

it(ROLLED, { timeout: 25 * MINUTE }, () =>
  steps.run(ROLLED, async () => {
    const [old = ''] = await cluster.workers();
    // From now on no repair starts a worker again, and the next step is not a race.
    const name = await world.copyTemplate(cluster.deployment, { repair: 'Never', memoryMiB: 1344 });
    await cluster.patchDeployment({ template: { spec: { infrastructureRef: { name } } } });
    const seen: string[][] = [];
    const hasGone = async () => {
      const ready = [...(await cluster.workload.readyNodes()).keys()];
      const isThere = (await cluster.workload.node(old).catch(() => old)) !== undefined;
      if (ready.length > 0) seen.push(ready);
      return !isThere;
    };
    await expect.poll(hasGone, poll(20)).toBe(true);
    const hadBoth = seen.findIndex((ready) => ready.includes(old) && ready.length === 3);
    expect(hadBoth).toBeGreaterThanOrEqual(0);
    const [successor = ''] = (await cluster.nodesReady(2, 5)).filter(
      (node) => !node.includes('control-plane'),
    );
    expect(successor).not.toBe(old);
    expect(await world.domains()).toHaveLength(2);
    return `${successor} after ${old}`;
  }),
);

it(REPLACED, { timeout: 25 * MINUTE }, () =>
  steps.run(REPLACED, async () => {
    const [old = ''] = await cluster.workers();
    await world.objects.apply(healthCheck());
    await destroyDomainOf(old);
    const isReplaced = async () => {
      const workers = await cluster.workers();
      return workers.length === 1 && !workers.includes(old);
    };
    await expect.poll(isReplaced, poll(20)).toBe(true);
    const [successor = ''] = (await cluster.nodesReady(2, 15)).filter(
      (node) => !node.includes('control-plane'),
    );
    expect(await world.domains()).toHaveLength(2);
    return `${successor} in place of ${old}`;
  }),
);

/** Names of the Nodes whose kubelet has a serving certificate that our controller approved. */
async function certifiedNodes(): Promise<string[]> {
  const requests = await cluster.workload.list('certificatesigningrequests').catch(() => []);
  const approved = requests.filter(({ spec, status }) => {
    const conditions = (status?.['conditions'] ?? []) as { type: string; reason?: string }[];
    const isOurs = conditions.some(({ type, reason }) => type === 'Approved' && reason === 'CaplvMachine');
    return spec?.['signerName'] === 'kubernetes.io/kubelet-serving' && isOurs && status?.['certificate'];
  });
  const names = approved.map(({ spec }) => String(spec?.['username']).replace('system:node:', ''));
  return [...new Set(names)].sort();
}

async function destroyDomainOf(node: string): Promise<void> {
  const domain = (await world.domains()).find((name) => name.endsWith(node)) ?? '';
  await world.virsh('destroy', domain);
}

/** Of workers: with a time limit that a busy host keeps. */
function healthCheck(): object {
  return {
    apiVersion: 'cluster.x-k8s.io/v1beta2',
    kind: 'MachineHealthCheck',
    metadata: { name: cluster.deployment, namespace: 'default' },
    spec: {
      clusterName: cluster.name,
      selector: { matchLabels: { 'cluster.x-k8s.io/deployment-name': cluster.deployment } },
      checks: {
        nodeStartupTimeoutSeconds: 0,
        unhealthyNodeConditions: [{ type: 'Ready', status: 'Unknown', timeoutSeconds: 30 }],
      },
    },
  };
}

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
