/** Verifies the controllers at a real API server with its garbage collector, triggered by watches only. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { MachineDeploymentKind } from '../../../src/api/kinds/machine-deployment.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { API_VERSION } from '../../../src/api/schema/group.ts';
import { ROLLBACK_ANNOTATION } from '../../../src/controllers/machine-deployment/rollback.ts';
import type { Client } from '../../../src/kube/client/client.ts';
import { KubernetesStore } from '../../../src/kube/runtime/kubernetes-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { KubeLab } from '../../lab/kube/kube-lab.ts';
import { RunningControllers } from '../running-controllers.ts';
import { key, NAMESPACE, template } from '../world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 900_000 });

let lab: KubeLab;
let client: Client;
let store: Store;
let running: RunningControllers;

beforeAll(async () => {
  lab = await KubeLab.up({ dir: await mkdtemp(join(tmpdir(), 'caplv-sets-')), controllerManager: true });
  client = await lab.client();
  await kubectl('apply', '--filename', join(import.meta.dirname, '../../../deploy/crds'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
});

afterAll(async () => {
  client?.close();
  await lab?.down();
});

beforeEach(() => {
  store = new KubernetesStore(client, { log: silentLogger, metrics: new Metrics() });
  running = new RunningControllers(store);
});

afterEach(() => running.stop());

it('scales from 0 to 5 to 2 to 0, and never beyond the desired size', async () => {
  await applyDeployment({ replicas: 0 });
  for (const replicas of [5, 2, 0]) {
    await kubectl('scale', 'machinedeployment/workers', `--replicas=${replicas}`);
    await running.untilDone(replicas);
  }
  expect(running.most).toBe(5);
  await kubectl('delete', 'machinedeployment/workers', '--wait', '--timeout=60s');
});

it('rolls forward and back, one machine beyond replicas at most', async () => {
  await applyDeployment({ replicas: 3 });
  await running.untilDone(3);
  const old = running.names();
  await applyDeployment({ replicas: 3, template: template(2) });
  await running.untilDone(3);
  expect(running.names().filter((name) => old.includes(name))).toEqual([]);
  expect(running.vcpus()).toEqual([2, 2, 2]);

  await kubectl('annotate', 'machinedeployment/workers', `${ROLLBACK_ANNOTATION}=1`);
  await vi.waitFor(() => expect(running.vcpus()).toEqual([1, 1, 1]), { timeout: 60_000, interval: 50 });
  await running.untilDone(3);
  expect(running.most).toBeLessThanOrEqual(4);
  const { stdout } = await kubectl('get', 'machinedeployment/workers', '--no-headers');
  expect(stdout).toMatch(/^workers\s+3\s+3\s+3\s+3\s+3\s/);
  await kubectl('delete', 'machinedeployment/workers', '--wait', '--timeout=60s');
});

it.each(['background', 'foreground'])('deletes machines, sets and deployment in the %s', async (cascade) => {
  await applyDeployment({ replicas: 2 });
  await running.untilDone(2);
  await kubectl('delete', 'machinedeployment/workers', `--cascade=${cascade}`, '--wait', '--timeout=60s');
  await vi.waitFor(async () => {
    expect(await store.list(MachineSetKind)).toEqual([]);
    expect(await store.list(MachineKind)).toEqual([]);
  });
});

it('keeps everything running when a deletion orphans it, and adopts it again', async () => {
  await applyDeployment({ replicas: 2 });
  await running.untilDone(2);
  const before = running.names();
  await kubectl('delete', 'machinedeployment/workers', '--cascade=orphan', '--wait', '--timeout=60s');
  const [set] = await store.list(MachineSetKind);
  await kubectl('delete', `machineset/${set?.metadata.name}`, '--cascade=orphan', '--wait', '--timeout=60s');
  expect(running.names()).toEqual(before);
  expect(running.machines.list().filter(({ metadata }) => metadata.deletionTimestamp)).toEqual([]);

  const selector = { matchLabels: { app: 'workers' } };
  const again = { apiVersion: API_VERSION, kind: 'MachineSet', metadata: key('again') };
  const spec = { replicas: 2, selector, template: template() };
  await store.apply(MachineSetKind, { ...again, spec } as never, { fieldManager: 'person' });
  await kubectl('wait', 'machineset/again', '--for=condition=Ready', '--timeout=60s');
  expect(running.names()).toEqual(before);
  await kubectl('delete', 'machineset/again', '--wait', '--timeout=60s');
  await vi.waitFor(() => expect(running.names()).toEqual([]));
});

/** Resolves when the informers know it too: before that the deployment of before looks done. */
async function applyDeployment(spec: object): Promise<void> {
  const whole = { selector: { matchLabels: { app: 'workers' } }, template: template(), ...spec };
  const object = {
    apiVersion: API_VERSION,
    kind: 'MachineDeployment',
    metadata: key('workers'),
    spec: whole,
  };
  const { metadata } = await store.apply(MachineDeploymentKind, object as never, { fieldManager: 'person' });
  await vi.waitFor(() => {
    expect(running.deployments.get(key('workers'))?.metadata.generation).toBe(metadata.generation);
  });
}

function kubectl(...args: string[]) {
  return execa(lab.kubectl, ['--kubeconfig', lab.kubeconfig, '--namespace', NAMESPACE, ...args]);
}
