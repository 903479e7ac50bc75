/** Verifies which locks of a state are released and which are kept, with Leases and Pods of a real API server. */

import { mkdtemp } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StaleLocks } from '../../src/actuator/context/stale-leases.ts';
import { Client } from '../../src/kube/client/client.ts';
import { loadConnection } from '../../src/kube/client/kubeconfig.ts';
import { type Lease, LeaseKind } from '../../src/kube/client/lease.ts';
import { type Pod, type PodIdentity, PodKind, podNamed } from '../../src/kube/client/pod.ts';
import type { RunEvent } from '../../src/terraform/run-events.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { record } from './record.ts';

const NAMESPACE = 'default';

let kube: KubeLab;
let client: Client;
/** The pod that the lock is judged from. */
let here: PodIdentity;

beforeAll(async () => {
  kube = await KubeLab.up({ dir: await mkdtemp(join(tmpdir(), 'caplv-kube-')) });
  client = await kube.client();
  here = await makePod('here');
});

afterAll(async () => {
  client?.close();
  await kube?.down();
});

async function makePod(name: string): Promise<PodIdentity> {
  const spec = { containers: [{ name: 'caplv', image: 'caplv' }] };
  await client.create(PodKind, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: NAMESPACE, name },
    spec,
  } as Pod);
  const pod = await podNamed(client, NAMESPACE, name);
  if (!pod) throw new Error(`pod ${name} was not made`);
  return pod;
}

const removePod = (pod: PodIdentity) => client.delete(PodKind, pod);

const keyOf = (workspace: string) => ({ namespace: NAMESPACE, name: `lock-tfstate-${workspace}-caplv` });

/** What `pod` does before it uses the state, and then the lock of a terraform that was killed in the middle. */
async function leaveLock(workspace: string, who: string, pod?: PodIdentity): Promise<void> {
  const metadata = keyOf(workspace);
  await client.create(LeaseKind, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata,
    spec: {},
  } as Lease);
  if (pod) await new StaleLocks({ client, pod, onRelease: () => {} }).releaseIfStale(metadata, workspace);
  const info = { ID: 'x', Operation: 'OperationTypeApply', Who: who, Created: new Date().toISOString() };
  await client.patch(LeaseKind, metadata, {
    metadata: { annotations: { 'app.terraform.io/lock-info': JSON.stringify(info) } },
    spec: { holderIdentity: 'x' },
  });
}

/** Returns true if the lock is free afterwards. */
async function isReleased(workspace: string, judge: Client = client): Promise<boolean> {
  const released: string[] = [];
  const before = await client.get(LeaseKind, keyOf(workspace));
  const info = before?.metadata.annotations?.['app.terraform.io/lock-info'] ?? '{}';
  const locks = new StaleLocks({ client: judge, pod: here, onRelease: (_, holder) => released.push(holder) });
  await locks.releaseIfStale(keyOf(workspace), workspace);
  const lease = await client.get(LeaseKind, keyOf(workspace));
  const { Who: holder } = JSON.parse(info);
  expect(released).toEqual(lease?.spec.holderIdentity ? [] : [holder]);
  return !lease?.spec.holderIdentity;
}

describe('the lock of a state that another pod held', () => {
  test('is released when that pod no longer exists', async (context) => {
    const pod = await makePod('gone');
    await leaveLock('a', 'caplv@gone', pod);
    expect(await isReleased('a')).toBe(false);
    await removePod(pod);
    expect(await isReleased('a')).toBe(true);
    record(context, {
      fault: 'state locked by a pod that was deleted',
      seen: 'the release, told once with its holder',
      outcome: 'released',
    });
  });

  test('is released when another pod has the name of that one', async (context) => {
    const pod = await makePod('again');
    await leaveLock('b', 'caplv@again', pod);
    await removePod(pod);
    const other = await makePod('again');
    expect(other.uid).not.toBe(pod.uid);
    expect(await isReleased('b')).toBe(true);
    record(context, {
      fault: 'state locked by a pod, of which another has the name',
      seen: 'the release, told once with its holder',
      outcome: 'released',
    });
  });

  test('is released when that pod has ended', async (context) => {
    const pod = await makePod('ended');
    await leaveLock('c', 'caplv@ended', pod);
    const patch = JSON.stringify({ status: { phase: 'Failed' } });
    const args = ['patch', 'pod', pod.name, '--subresource=status', `--patch=${patch}`];
    await execa(kube.kubectl, ['--kubeconfig', kube.kubeconfig, ...args]);
    expect(await isReleased('c')).toBe(true);
    record(context, {
      fault: 'state locked by a pod that has ended',
      seen: 'the release, told once with its holder',
      outcome: 'released',
    });
  });

  test('is respected while that pod runs', async (context) => {
    await leaveLock('d', 'caplv@alive', await makePod('alive'));
    expect(await isReleased('d')).toBe(false);
    record(context, {
      fault: 'state locked by a pod that lives',
      seen: '—',
      outcome: 'the lock stays',
    });
  });

  test('is respected without the right to read that pod', async (context) => {
    const pod = await makePod('hidden');
    await leaveLock('e', 'caplv@hidden', pod);
    await removePod(pod);
    const kubeconfig = await kube.userKubeconfig('no-pods');
    await allowLeasesOnly('no-pods');
    const judge = new Client(await loadConnection({ kubeconfig }));
    expect(await isReleased('e', judge)).toBe(false);
    judge.close();
    record(context, {
      fault: 'state locked by a pod that we may not look for',
      seen: '—',
      outcome: 'the lock stays',
    });
  });
});

describe('the lock of a state that another program holds', () => {
  test('is respected, on an unknown host', async (context) => {
    await leaveLock('f', 'alice@laptop');
    expect(await isReleased('f')).toBe(false);
    record(context, {
      fault: 'state locked by somebody elsewhere',
      seen: '—',
      outcome: 'the lock stays',
    });
  });

  test('is respected, after the lock of a pod of ours that no longer exists', async () => {
    const pod = await makePod('before');
    await leaveLock('g', 'alice@laptop', pod);
    await removePod(pod);
    expect(await isReleased('g')).toBe(false);
  });

  test('is released, if it was a terraform of this host that no longer runs', async (context) => {
    await leaveLock('h', `root@${hostname()}`);
    expect(await isReleased('h')).toBe(true);
    record(context, {
      fault: 'state locked by a terraform of this host or container that is gone',
      seen: 'the release, told once with its holder',
      outcome: 'released',
    });
  });
});

test('a reader of a state waits until its lock is released, and learns who holds it', async () => {
  await leaveLock('i', 'alice@laptop');
  const locks = new StaleLocks({ client, pod: here, onRelease: () => {} });
  await expect(locks.untilFree(keyOf('i'), 'i', { lockTimeoutMs: 0 })).rejects.toMatchObject({
    code: 'StateLocked',
    message: expect.stringMatching(/locked by alice@laptop \(apply\) since \d{4}-/),
    fix: expect.stringContaining('terraform force-unlock x'),
  });
  const { promise: told, resolve } = Promise.withResolvers<RunEvent>();
  const waiting = locks.untilFree(keyOf('i'), 'i', { onEvent: resolve });
  expect(await told).toMatchObject({ type: 'waiting', holder: { who: 'alice@laptop', operation: 'apply' } });
  await client.patch(LeaseKind, keyOf('i'), { spec: { holderIdentity: null } });
  await waiting;
});

async function allowLeasesOnly(user: string): Promise<void> {
  const metadata = { namespace: NAMESPACE, name: user };
  const rules = [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'update'] }];
  const path = (kind: string) => `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/${kind}`;
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  await client.raw('POST', path('roles'), { apiVersion, kind: 'Role', metadata, rules });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: user };
  const subjects = [{ kind: 'User', name: user, apiGroup: 'rbac.authorization.k8s.io' }];
  await client.raw('POST', path('rolebindings'), {
    apiVersion,
    kind: 'RoleBinding',
    metadata,
    roleRef,
    subjects,
  });
}
