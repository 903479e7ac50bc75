/** Verifies that the number and length of metric labels are limited. */

import { expect, it } from 'vitest';
import type { MachineHealthCheck } from '../../src/api/kinds/machine-health-check.ts';
import { HealthCheckMetrics } from '../../src/controllers/machine-health-check/metrics.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

const samplesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`));

it('label values that others choose do not fill the memory: excess ones are counted as one', () => {
  const metrics = new Metrics();
  const counter = metrics.counter('deleted_total', 'Deleted.', ['name']);
  for (let one = 0; one < 1_500; one++) counter.inc({ name: `tenant-${one}` });
  counter.inc({ name: 'tenant-1' });
  const samples = samplesOf(metrics.expose(), 'deleted_total');
  expect(samples).toHaveLength(1_001);
  expect(samples).toContain('deleted_total{name="tenant-1"} 2');
  expect(samples).toContain('deleted_total{name="(others)"} 500');
});

it('a label is never longer than a name may be', () => {
  const metrics = new Metrics();
  metrics.gauge('up', 'Up.', ['host']).set(1, { host: 'x'.repeat(10_000) });
  expect(metrics.expose().length).toBeLessThan(400);
});

it('what a MachineHealthCheck has done is forgotten when it is deleted', () => {
  const metrics = new Metrics();
  const checks = ['kept', 'deleted'].map(
    (name) => ({ metadata: { namespace: 'team', name } }) as MachineHealthCheck,
  );
  const { remediations } = new HealthCheckMetrics(metrics, () => checks);
  for (const name of ['kept', 'deleted']) remediations.inc({ namespace: 'team', name });
  expect(samplesOf(metrics.expose(), 'caplv_health_check_remediations_total')).toHaveLength(2);
  checks.pop();
  expect(samplesOf(metrics.expose(), 'caplv_health_check_remediations_total')).toEqual([
    'caplv_health_check_remediations_total{namespace="team",name="kept"} 1',
  ]);
});
