/** Verifies a namespace of many machines, defined and not started, to find what slows down with their number. */

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

vi.setConfig({ testTimeout: 1_800_000 });

/** CAPLV_MANY=500 for a full look, which takes minutes. */
const ALL = Number(process.env['CAPLV_MANY'] ?? 100);
const SETS = 5;
const soon = { timeout: 1_500_000, interval: 1_000 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-many');
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

const machines = async (): Promise<Machine[]> => (await lab.client.list(MachineKind)).items;

/** Prints how the pace changes with the number of machines. */
async function report(what: string, started: number): Promise<void> {
  const metrics = await controller.fetch('/metrics');
  const rss = /^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1];
  const cpu = /^process_cpu_seconds_total (\S+)/m.exec(metrics)?.[1];
  const runs = /^controller_reconcile_total{controller="machine",result="success"} (\S+)/m.exec(metrics)?.[1];
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  const values = `cpu ${Number(cpu).toFixed(0)} s, rss ${(Number(rss) / 2 ** 20).toFixed(0)} MiB, reconciles ${runs}`;
  console.log(`${what} after ${seconds} s: ${values}`);
}

it(`${ALL} machines of five sets are all made, and all deleted, with nothing left`, async () => {
  const names = Array.from({ length: SETS }, (_, index) => `many-${index}`);
  const started = performance.now();
  await lab.apply(...names.map((name) => lab.fleet('MachineSet', name, { replicas: ALL / SETS })));
  for (let next = ALL / 5; next <= ALL; next += ALL / 5) {
    const made = async () =>
      (await machines()).filter(({ status }) => status?.phase === 'Provisioned').length;
    await expect.poll(made, soon).toBeGreaterThanOrEqual(next);
    await report(`${next} made`, started);
  }
  expect((await machines()).length).toBe(ALL);
  expect((await lab.host()).domains).toHaveLength(ALL);

  const deleted = performance.now();
  await lab.kubectl('delete', 'machinesets', '--all', '--wait=false');
  for (let next = (ALL * 4) / 5; next >= 0; next -= ALL / 5) {
    await expect.poll(async () => (await machines()).length, soon).toBeLessThanOrEqual(next);
    await report(`${next} left`, deleted);
  }
  await expect.poll(() => lab.kubectl('get', 'machinesets', '-o', 'name'), soon).toBe('');
  expect(await lab.host()).toEqual({ domains: [], volumes: [] });
  expect(await lab.kubectl('get', 'secrets', '-o', 'name')).toBe('');
});
