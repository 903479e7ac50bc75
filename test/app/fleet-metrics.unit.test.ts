/** Verifies the metrics of machines, hosts, providers and terraform runs, and their documentation. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import type { MachineHealthCheck } from '../../src/api/kinds/machine-health-check.ts';
import { collectFleetMetrics, terraformRuns } from '../../src/app/fleet-metrics.ts';
import { HealthCheckMetrics } from '../../src/controllers/machine-health-check/metrics.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { RunSlots } from '../../src/terraform/concurrency.ts';

function machine(name: string, phase?: string, reason?: string): Machine {
  const lastTransitionTime = '2026-01-01T00:00:00Z';
  const ready = { type: 'Ready', status: 'False', reason, message: '', lastTransitionTime };
  const status = phase && { phase, conditions: reason ? [ready] : [] };
  return { metadata: { name, namespace: 'default' }, spec: {}, status } as unknown as Machine;
}

function fleet() {
  return {
    machines: [machine('a'), machine('b', 'Failed', 'ImageInvalid'), machine('c', 'Failed', 'ImageInvalid')],
    hosts: [
      { uri: 'qemu:///system', isReachable: true, domains: 3, unreadable: 0 },
      { uri: 'qemu+ssh://away/system', isReachable: false, domains: 2, unreadable: 0 },
      { uri: 'qemu+ssh://new/system', isReachable: undefined, domains: 0, unreadable: 0 },
    ],
    providers: { size: 1, restarts: 2 },
    slots: new RunSlots({ total: 3, perKey: 2 }),
  };
}

function exposed(known: ReturnType<typeof fleet>): {
  readonly metrics: Metrics;
  readonly lines: () => string[];
} {
  const metrics = new Metrics();
  collectFleetMetrics(metrics, {
    machines: () => known.machines,
    hosts: {
      get seen() {
        return known.hosts;
      },
    },
    providers: known.providers,
    slots: known.slots,
  });
  return {
    metrics,
    lines: () =>
      metrics
        .expose()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#')),
  };
}

it('an operator sees machines by phase and reason, hosts, and providers, and no machine by name', () => {
  expect(exposed(fleet()).lines()).toEqual([
    'caplv_machines{phase="Pending"} 1',
    'caplv_machines{phase="Failed"} 2',
    'caplv_machines_ready{status="Unknown",reason=""} 1',
    'caplv_machines_ready{status="False",reason="ImageInvalid"} 2',
    'caplv_host_up{host="qemu:///system"} 1',
    'caplv_host_up{host="qemu+ssh://away/system"} 0',
    'caplv_host_domains{host="qemu:///system"} 3',
    'caplv_host_domains{host="qemu+ssh://away/system"} 2',
    'caplv_host_domains_unreadable{host="qemu:///system"} 0',
    'caplv_host_domains_unreadable{host="qemu+ssh://away/system"} 0',
    'caplv_provider_processes 1',
    'caplv_provider_restarts_total 2',
    'caplv_terraform_runs_limit{per="process"} 3',
    'caplv_terraform_runs_limit{per="host"} 2',
  ]);
});

it('a reason, phase or host that is no more does not stay on the dashboard, and restarts count once', () => {
  const known = fleet();
  const { lines } = exposed(known);
  lines();
  known.machines.splice(1);
  known.hosts.splice(1);
  expect(lines()).toEqual([
    'caplv_machines{phase="Pending"} 1',
    'caplv_machines_ready{status="Unknown",reason=""} 1',
    'caplv_host_up{host="qemu:///system"} 1',
    'caplv_host_domains{host="qemu:///system"} 3',
    'caplv_host_domains_unreadable{host="qemu:///system"} 0',
    'caplv_provider_processes 1',
    'caplv_provider_restarts_total 2',
    'caplv_terraform_runs_limit{per="process"} 3',
    'caplv_terraform_runs_limit{per="host"} 2',
  ]);
});

it('metrics show the runs in progress, and those that wait for a slot until they have run', async () => {
  const known = fleet();
  const { lines } = exposed(known);
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const runs = ['apply', 'plan', 'apply', 'destroy'].map(async (verb) => {
    const leave = await known.slots.enter('qemu:///system', verb);
    await end;
    leave();
  });
  expect(lines()).toEqual(
    expect.arrayContaining([
      'caplv_terraform_runs{host="qemu:///system"} 2',
      'caplv_terraform_runs_waiting{host="qemu:///system",work="make"} 1',
      'caplv_terraform_runs_waiting{host="qemu:///system",work="destroy"} 1',
    ]),
  );
  resolve();
  await Promise.all(runs);
  expect(lines()).toEqual(
    expect.arrayContaining([
      'caplv_terraform_runs{host="qemu:///system"} 0',
      'caplv_terraform_runs_waiting{host="qemu:///system",work="make"} 0',
      'caplv_terraform_runs_waiting{host="qemu:///system",work="destroy"} 0',
    ]),
  );
});

it('terraform runs count by verb and outcome, with their length', () => {
  const metrics = new Metrics();
  const ended = terraformRuns(metrics);
  ended({ verb: 'plan', outcome: 'success', seconds: 0.25 });
  ended({ verb: 'plan', outcome: 'killed', seconds: 700 });
  const text = metrics.expose();
  expect(text).toContain('_bucket{verb="plan",outcome="success",le="0.25"} 1\n');
  expect(text).toContain('_bucket{verb="plan",outcome="killed",le="600"} 0\n');
  expect(text).toContain('_sum{verb="plan",outcome="killed"} 700\n');
});

it('an operator finds each of them in docs/operations.md, with its labels', () => {
  const known = fleet();
  const { metrics } = exposed(known);
  void known.slots.enter('qemu:///system', 'plan');
  terraformRuns(metrics)({ verb: 'plan', outcome: 'success', seconds: 1 });
  const held = { type: 'RemediationAllowed', status: 'False', reason: 'TooManyUnhealthy' };
  const check = { metadata: { name: 'workers' }, status: { conditions: [held] } } as MachineHealthCheck;
  const { remediations } = new HealthCheckMetrics(metrics, () => [check]);
  remediations.inc({ namespace: 'default', name: 'workers' });
  const text = metrics.expose();
  const made = [...text.matchAll(/^# TYPE (caplv_\S+) (\S+)$/gm)].map(([, name = '', type]) => {
    const labels = new RegExp(`^${name}(?:_count)?\\{(.*)\\}`, 'm').exec(text)?.[1] ?? '';
    const names = [...labels.matchAll(/(\w+)=/g)].map(([, label]) => label);
    return `| \`${name}${names.length > 0 ? `{${names}}` : ''}\` | ${type} |`;
  });
  const told = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  expect([...told.matchAll(/^\| `caplv_[^|]+\| \w+ \|/gm)].map(([row]) => row).sort()).toEqual(made.sort());
});
