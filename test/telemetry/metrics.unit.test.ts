/** Verifies the text format of the metrics. */

import { expect, it } from 'vitest';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { collectProcessMetrics } from '../../src/telemetry/process-metrics.ts';

it('writes the text format of Prometheus', () => {
  const metrics = new Metrics();
  metrics.counter('runs_total', 'Runs.', ['result']).inc({ result: 'a "quoted"\nline\\' });
  metrics.counter('runs_total', 'Runs.', ['result']).inc({ result: 'ok' }, 2);
  metrics.gauge('depth', 'Depth.').set(1.5);
  const seconds = metrics.histogram('run_seconds', 'Length.', ['verb'], [0.1, 1]);
  for (const value of [0.05, 0.5, 5]) seconds.observe(value, { verb: 'apply' });
  expect(metrics.expose()).toMatchInlineSnapshot(`
    "# HELP runs_total Runs.
    # TYPE runs_total counter
    runs_total{result="a \\"quoted\\"\\nline\\\\"} 1
    runs_total{result="ok"} 2
    # HELP depth Depth.
    # TYPE depth gauge
    depth 1.5
    # HELP run_seconds Length.
    # TYPE run_seconds histogram
    run_seconds_bucket{verb="apply",le="0.1"} 1
    run_seconds_bucket{verb="apply",le="1"} 2
    run_seconds_bucket{verb="apply",le="+Inf"} 3
    run_seconds_sum{verb="apply"} 5.55
    run_seconds_count{verb="apply"} 3
    "
  `);
});

it('refuses one name with two types', () => {
  const metrics = new Metrics();
  metrics.counter('x_total', 'X.');
  expect(() => metrics.gauge('x_total', 'X.')).toThrow('metric x_total exists with another type');
});

it('reports the process itself', () => {
  const metrics = new Metrics();
  collectProcessMetrics(metrics);
  expect(metrics.expose()).toMatch(/^process_resident_memory_bytes \d{7,}$/m);
});
