/** Verifies deploy/default with two pods made from the image, at a real API server. */

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { KubeEvent } from '../../src/kube/runtime/events.ts';
import { DeployLab } from './deploy-lab.ts';
import { objectOf } from './manifests.ts';
import { metricNames } from './metric-names.ts';
import type { Pod } from './pod.ts';
import { allows, describePermission, permissionsOf, type Role } from './rbac.ts';

const USER = 'system:serviceaccount:caplv-system:caplv-controller';
const MEBIBYTE = 1024 ** 2;
const WAIT = '--timeout=90s';
const SOON = { timeout: 90_000, interval: 200 };

let lab: DeployLab;

beforeAll(async () => {
  lab = await DeployLab.up();
}, 900_000);

afterAll(async () => {
  await lab?.down();
}, 60_000);

afterEach(({ task }) => {
  if (task.result?.state === 'fail') lab.printLogs();
});

test('the API server takes a pod as the Deployment makes it into a namespace for restricted pods', async () => {
  const pod = lab.podObject('trial');
  await lab.kubectlInput(pod, 'create', '--dry-run=server', '--filename=-');
  const root = { ...pod, spec: { ...pod.spec, securityContext: {} } };
  await expect(lab.kubectlInput(root, 'create', '--dry-run=server', '--filename=-')).rejects.toThrow(
    'violates PodSecurity',
  );
});

describe('two pods, from the image, as their ServiceAccount', () => {
  let first: Pod;
  let second: Pod;

  test('one works, the other is ready and waits', async () => {
    first = await lab.startPod('caplv-controller-1');
    await first.says('Working');
    second = await lab.startPod('caplv-controller-2');
    await second.says('Waiting for the lease');
    for (const pod of [first, second]) {
      await vi.waitFor(async () => expect(await pod.fetch('/readyz')).toMatchObject({ status: 200 }), SOON);
      expect(await pod.fetch('/healthz')).toMatchObject({ status: 200, text: 'ok\n' });
    }
  });

  test('what holds user data lies in memory, and on no disk of the node', async () => {
    const { containers, volumes } = lab.deployment.spec.template.spec;
    const inMemory = volumes.filter(({ emptyDir }) => emptyDir?.medium === 'Memory').map(({ name }) => name);
    const mount = containers[0].volumeMounts.find(({ name }) => inMemory.includes(name));
    const directories = await first.list(mount?.mountPath ?? '');
    expect(directories.filter((name) => name.startsWith('caplv-'))).not.toEqual([]);
    expect((await first.list('/tmp')).filter((name) => name.startsWith('caplv-'))).toEqual([]);
  });

  // Two guests boot one after the other, and pods leave in between.
  test('a machine comes, finds its Node, and is replaced', { timeout: 300_000 }, async () => {
    // By the pod's own rules its cluster is no workload cluster that a Secret may name.
    await lab.apply(await ownKubeconfig(), cluster(), bootstrap(), machineDeployment(128), healthCheck());
    await available();
    const reason = '{.status.conditions[?(@.type=="Ready")].reason}';
    await lab.kubectl('wait', `--for=jsonpath=${reason}=NotAllowed`, 'machinehealthcheck/web', WAIT);
    await lab.kubectl('delete', 'secret/site-kubeconfig');
    const [before = ''] = await lab.machines();
    const providerID = await lab.kubectl('get', 'machine', before, '--output=jsonpath={.spec.providerID}');
    await lab.apply(readyNode('web-node', providerID), podOn('web-node'));
    await lab.kubectl('wait', '--for=jsonpath={.status.nodeRef.name}=web-node', `machine/${before}`, WAIT);
    await lab.kubectl('wait', '--for=jsonpath={.status.currentHealthy}=1', 'machinehealthcheck/web', WAIT);
    const tier = '--for=jsonpath={.metadata.labels.tier}=web';
    await lab.kubectl('wait', tier, 'node/web-node', WAIT);

    await lab.apply(machineDeployment(136));
    const next = await vi.waitFor(async () => {
      const [other, ...more] = (await lab.machines()).filter((name) => name !== before);
      expect([other, ...more]).toEqual([expect.any(String)]);
      return other ?? '';
    }, SOON);
    await lab.kubectl('wait', '--for=condition=Ready', `machine/${next}`, WAIT);
    // Until the kubelet of the new one is ready, no pod has a place to go.
    expect(await lab.machines()).toContain(before);
    const nextID = await lab.kubectl('get', 'machine', next, '--output=jsonpath={.spec.providerID}');
    await lab.apply(readyNode('web-node-2', nextID));
    await lab.kubectl('wait', '--for=delete', `machine/${before}`, WAIT);
    expect(await lab.kubectl('get', 'nodes,pods', '--output=name')).toBe('node/web-node-2');
    await available();
    expect(await lab.domains()).toHaveLength(1);
  });

  test('a machine that is taken out of its set is released, and another created', async () => {
    const [name = ''] = await lab.machines();
    await lab.kubectl('label', 'machine', name, 'app-');
    await vi.waitFor(async () => expect(await lab.machines()).toHaveLength(2), SOON);
    await lab.kubectl('delete', 'machine', name, WAIT);
    await available();
  });

  test('a host is reached over qemu+ssh with the key of a Secret, and nothing else said', async () => {
    await lab.apply(small('remote', { uri: lab.sshUri }));
    await lab.kubectl('wait', '--for=condition=DomainReady', 'machine/remote', WAIT);
    expect(await lab.domains(1)).toHaveLength(1);
    await lab.kubectl('delete', 'machine/remote', WAIT);
    expect(await lab.domains(1)).toEqual([]);
  });

  test('with all workers busy it stays within its limits', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `crowd-${index}`);
    await lab.apply(...names.map((name) => small(name)));
    let peak = 0;
    await vi.waitFor(
      async () => {
        peak = Math.max(peak, (await first.memory()) / MEBIBYTE);
        expect(await lab.domains()).toHaveLength(names.length + 1);
      },
      { ...SOON, interval: 50 },
    );
    await lab.kubectl('delete', 'machine', ...names, WAIT);
    const [{ resources }] = lab.deployment.spec.template.spec.containers;
    const limit = mebibytes(resources.limits.memory);
    console.info(`memory with four runs at a time: ${Math.ceil(peak)} MiB of ${limit} MiB`);
    expect(peak).toBeLessThan(limit);
  });

  test('the second takes over from a pod that is no more, with its lock and a state that plain terraform made', async () => {
    // Whoever comes next says the same of it, and so counts up what the first has written.
    await lab.apply(small('hopeless', { imageURI: 'http://127.0.0.1:1/refused' }));
    await vi.waitFor(async () => expect(await eventsOf('hopeless')).toHaveLength(1), SOON);
    await first.kill();
    const [machine = ''] = (await lab.machines()).filter((name) => name !== 'hopeless');
    await leaveLock(machine, first.name);
    await second.says('Working');
    // Now the state is needed, and its lock belongs to a pod that no longer exists.
    await lab.kubectl('delete', 'machine', machine, '--wait=false');
    await second.says('Released the state lock of a process that is gone');
    await lab.kubectl('wait', '--for=delete', `machine/${machine}`, WAIT);
    await vi.waitFor(
      async () => expect(await eventsOf('hopeless')).toEqual([expect.stringMatching(/^\d+$/)]),
      SOON,
    );
    await lab.kubectl('delete', 'machine', 'hopeless', WAIT);
  });

  test('everything goes with its Cluster', async () => {
    await lab.kubectl('delete', 'machinedeployment/web', 'machinehealthcheck/web', WAIT);
    await vi.waitFor(async () => expect(await lab.domains()).toEqual([]), SOON);
    await lab.kubectl('delete', 'cluster/site', WAIT);
  });

  test('each metric that the dashboard and the alerts name is there', async () => {
    const { text } = await second.fetch('/metrics');
    const exposed = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
    expect([...(await metricNames())].filter((name) => !exposed.has(name))).toEqual([]);
  });

  test('SIGTERM ends it in peace, and gives the lease away', async () => {
    expect(await second.stop()).toBe(0);
    const lease = ['lease/caplv-controller', '--namespace=caplv-system'];
    expect(await lab.kubectl('get', ...lease, '--output=jsonpath={.spec.holderIdentity}')).toBe('');
  });

  test('its rights are those that it used, and no others', () => {
    const granted = ['ClusterRole', 'Role'].flatMap((kind) =>
      permissionsOf(objectOf<Role>(lab.manifests, kind)),
    );
    const asked = lab.authorization.by(USER);
    const missing = asked.filter((question) => !granted.some((permission) => allows(permission, question)));
    const needless = granted.filter((permission) => !asked.some((question) => allows(permission, question)));
    expect([...new Set(missing.map(describePermission))], 'asked for and not granted').toEqual([]);
    expect([...new Set(needless.map(describePermission))], 'granted and never asked for').toEqual([]);
  });
});

/** How often each event about a Machine was counted up; empty for one that happened once. */
async function eventsOf(machine: string): Promise<string[]> {
  const query = ['events', '--output=json'];
  const { items } = JSON.parse(await lab.kubectl('get', ...query)) as { items: KubeEvent[] };
  return items
    .filter(({ involvedObject }) => involvedObject.name === machine)
    .map(({ series }) => String(series?.count ?? ''));
}

async function available(): Promise<void> {
  await lab.kubectl('wait', '--for=jsonpath={.status.availableReplicas}=1', 'machinedeployment/web', WAIT);
}

/** As a terraform leaves it that does not know our labels, and whose pod loses power in the middle of an apply. */
async function leaveLock(machine: string, pod: string): Promise<void> {
  const lease = `lock-tfstate-${machine}-caplv`;
  const info = { ID: 'x', Operation: 'OperationTypeApply', Who: `caplv@${pod}`, Created: new Date() };
  const annotations = { 'app.terraform.io/lock-info': JSON.stringify(info) };
  const patch = JSON.stringify({ metadata: { annotations }, spec: { holderIdentity: 'x' } });
  await lab.kubectl('patch', 'lease', lease, '--type=merge', `--patch=${patch}`);
  await lab.kubectl('label', 'lease', lease, 'cluster-api.k8s.io/machine-name-');
  await lab.kubectl('delete', 'pod', pod, '--namespace=caplv-system', '--grace-period=0', '--force');
}

function cluster(): object {
  const network = { name: 'site', mode: 'nat', addresses: ['10.17.9.0/24'] };
  return object('Cluster', 'site', { providerSpec: { network } });
}

async function ownKubeconfig(): Promise<object> {
  const value = await lab.kubeconfig();
  const metadata = { name: 'site-kubeconfig', namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { value } };
}

function bootstrap(): object {
  const metadata = { name: 'web-bootstrap', namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { value: '#!/bin/sh\necho hello\n' } };
}

function machineDeployment(memoryMiB: number): object {
  const providerSpec = { vcpu: 1, memoryMiB, imageURI: lab.imageURI, shutdownTimeoutSeconds: 0 };
  const labels = { app: 'web', 'cluster-api.k8s.io/cluster-name': 'site' };
  return object('MachineDeployment', 'web', {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels },
      spec: {
        ...{ bootstrap: { dataSecretName: 'web-bootstrap' }, providerSpec },
        metadata: { labels: { tier: 'web' } },
      },
    },
  });
}

/** Builds a Node as a kubelet registers it. */
function readyNode(name: string, providerID: string): object {
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }];
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { providerID }, status: { conditions } };
}

/** One that ends at once, since no kubelet would confirm its end. */
function podOn(nodeName: string): object {
  const containers = [{ name: 'web', image: 'web' }];
  const metadata = { name: 'web', namespace: 'default' };
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata },
    spec: { nodeName, terminationGracePeriodSeconds: 0, containers },
  };
}

function healthCheck(): object {
  return object('MachineHealthCheck', 'web', { selector: { matchLabels: { app: 'web' } } });
}

/** A machine that is not started. */
function small(name: string, spec: object = {}): object {
  const providerSpec = { vcpu: 1, memoryMiB: 128, imageURI: lab.imageURI, running: false, ...spec };
  return object('Machine', name, { providerSpec });
}

function object(kind: string, name: string, spec: object): object {
  return { apiVersion: 'cluster-api.k8s.io/v1alpha1', kind, metadata: { name, namespace: 'default' }, spec };
}

/** As manifests say it: `512Mi`, `1Gi`. */
function mebibytes(quantity: string): number {
  return Number.parseInt(quantity, 10) * (quantity.endsWith('Gi') ? 1024 : 1);
}
