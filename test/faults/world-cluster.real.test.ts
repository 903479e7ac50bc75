/** Verifies that the controller recovers from a slow or absent API server and etcd. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { TcpProxy } from '../kube/tcp-proxy.ts';
import { record } from './record.ts';

const SOON = { timeout: 100_000, interval: 200 };
const MINUTE = 60_000;

let lab: ClusterLab;
let proxy: TcpProxy;
let env: NodeJS.ProcessEnv;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('world-cluster');
  proxy = await TcpProxy.to(lab.kube.url);
  env = { ...lab.env(), CAPLV_KUBECONFIG: await kubeconfigThrough(proxy) };
  controller = await ControllerProcess.start(env);
  await lab.apply(lab.machine('old'));
  await becomes('old', 'True AsSpecified');
});

afterAll(async () => {
  await controller?.stop();
  await proxy?.close();
  await lab?.down();
});

test('the API server takes two seconds a call: all work completes, later', async (context) => {
  proxy.delayMs = 2_000;
  await lab.apply(lab.machine('slow'));
  await becomes('slow', 'True AsSpecified');
  await lab.kubectl('delete', 'machine', 'slow');
  proxy.delayMs = 0;
  expect(controller.child.exitCode).toBeNull();
  expect(await lab.host()).toMatchObject({ domains: ['default.old'] });
  record(context, {
    fault: 'API server slow, two seconds a call',
    seen: '—',
    outcome: 'the leader keeps its lease; a machine is made and deleted, later',
  });
});

test('the API server is away for a minute while a machine is created', async (context) => {
  await lab.apply(lab.machine('half'));
  await expect.poll(() => lab.host().then(({ domains }) => domains), SOON).toContain('default.half');
  await lab.kube.stopApiServer();
  await leaves();
  await lab.kube.startApiServer();
  await controllerReturns('half');
  record(context, {
    fault: 'API server away for a minute',
    seen: 'the controller says that it lost its lease, and ends',
    outcome: 'started again, it goes on; each machine is there once',
  });
});

test('etcd is away for a minute', async (context) => {
  const { processes } = JSON.parse(await readFile(join(lab.kube.dir, 'kube.json'), 'utf8'));
  process.kill(processes.etcd.pid, 'SIGSTOP');
  try {
    await leaves();
  } finally {
    process.kill(processes.etcd.pid, 'SIGCONT');
  }
  await controllerReturns('after-etcd');
  record(context, {
    fault: 'etcd away for a minute',
    seen: 'the controller says that it lost its lease, and ends',
    outcome: 'started again, it goes on; each machine is there once',
  });
});

/** Expects that the controller loses its lease and exits, as a pod would that a kubelet then restarts; returns after a minute. */
async function leaves(): Promise<void> {
  const over = sleep(MINUTE);
  const { error } = await controller.says('Controller failed');
  expect(JSON.stringify(error)).toContain('lost the lease');
  expect(await controller.exited).toEqual([1, null]);
  await over;
}

async function controllerReturns(name: string): Promise<void> {
  controller = await ControllerProcess.start(env);
  await expect.poll(() => lab.apply(lab.machine(name)).then(() => true, String), SOON).toBe(true);
  for (const one of ['old', name]) await becomes(one, 'True AsSpecified');
  await lab.kubectl('delete', 'machine', name);
  const { domains, volumes } = await lab.host();
  expect(domains).toEqual(['default.old']);
  expect(volumes.filter((volume) => volume.includes(name))).toEqual([]);
}

async function becomes(name: string, ready: string): Promise<void> {
  await vi.waitFor(async () => expect(await lab.ready(name)).toBe(ready), SOON);
}

async function kubeconfigThrough(through: TcpProxy): Promise<string> {
  const path = join(lab.kube.dir, 'proxy.kubeconfig');
  const text = await readFile(lab.kube.kubeconfig, 'utf8');
  await writeFile(path, text.replaceAll(lab.kube.url, through.url.origin), { mode: 0o600 });
  return path;
}
