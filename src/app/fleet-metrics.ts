/**
 * Metrics of what CAPLV is about: machines, hosts, terraform. No label names a machine or an object: each has a handful of
 * values, but for `host`, of which there are as many as libvirt hosts in use.
 */

import type { Machine } from '../api/kinds/machine.ts';
import { findCondition } from '../apimachinery/conditions.ts';
import type { HostWatches } from '../controllers/shared/host-watches.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RunSlots } from '../terraform/concurrency.ts';
import type { EndedRun } from '../terraform/launcher.ts';
import type { ProviderPool } from '../terraform/provider/pool.ts';

export interface Fleet {
  readonly machines: () => readonly Machine[];
  readonly hosts: Pick<HostWatches, 'seen'>;
  readonly providers: Pick<ProviderPool, 'size' | 'restarts'>;
  readonly slots: Pick<RunSlots, 'limits' | 'use'>;
}

/** Seconds: a warm plan takes 0.1, an upload of an image minutes. */
const RUN_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** Reads caches only, at each scrape. */
export function collectFleetMetrics(metrics: Metrics, { machines, hosts, providers, slots }: Fleet): void {
  const phases = metrics.gauge('caplv_machines', 'Machines by phase.', ['phase']);
  const ready = metrics.gauge(
    'caplv_machines_ready',
    'Machines by condition Ready, its status and reason; Unknown without a reason: none has looked yet.',
    ['status', 'reason'],
  );
  const up = metrics.gauge('caplv_host_up', 'Whether libvirt answers: 1, or 0.', ['host']);
  const domains = metrics.gauge(
    'caplv_host_domains',
    'Domains at the last sweep, also those that are not of CAPLV.',
    ['host'],
  );
  const unreadable = metrics.gauge(
    'caplv_host_domains_unreadable',
    'Domains at the last sweep of which the definition cannot be read.',
    ['host'],
  );
  const warm = metrics.gauge(
    'caplv_provider_processes',
    'Warm provider processes, one for each host with work.',
  );
  const restarts = metrics.counter(
    'caplv_provider_restarts_total',
    'Warm providers that were replaced since they ended, hung or had lost libvirt.',
  );
  const limit = metrics.gauge(
    'caplv_terraform_runs_limit',
    'Limit of parallel terraform runs: in this process, and per host.',
    ['per'],
  );
  const running = metrics.gauge('caplv_terraform_runs', 'Running terraform processes.', ['host']);
  const waiting = metrics.gauge(
    'caplv_terraform_runs_waiting',
    'Queued terraform runs; namespaces take turns, then owners, hosts, create and destroy.',
    ['host', 'work'],
  );
  limit.set(slots.limits.total, { per: 'process' });
  limit.set(slots.limits.perKey, { per: 'host' });

  let restarted = 0;

  metrics.onCollect(() => {
    for (const gauge of [phases, ready, up, domains, unreadable, running, waiting]) gauge.clear();
    for (const [phase, count] of tally(machines(), ({ status }) => status?.phase ?? 'Pending')) {
      phases.set(count, { phase });
    }
    for (const [condition, count] of tally(machines(), readiness)) {
      const [status = '', reason = ''] = condition.split(' ');
      ready.set(count, { status, reason });
    }
    for (const { uri, isReachable, ...counts } of hosts.seen) {
      if (isReachable === undefined) continue;
      up.set(isReachable ? 1 : 0, { host: uri });
      domains.set(counts.domains, { host: uri });
      unreadable.set(counts.unreadable, { host: uri });
    }
    for (const { key, ...use } of slots.use()) {
      running.set(use.running, { host: key });
      waiting.set(use.waiting.make, { host: key, work: 'make' });
      waiting.set(use.waiting.destroy, { host: key, work: 'destroy' });
    }
    warm.set(providers.size);
    restarts.inc({}, providers.restarts - restarted);
    restarted = providers.restarts;
  });
}

/** Returns what is to be told of each run that has ended. */
export function terraformRuns(metrics: Metrics): (run: EndedRun) => void {
  const durations = metrics.histogram(
    'caplv_terraform_run_duration_seconds',
    'Length of terraform runs, by verb and outcome.',
    ['verb', 'outcome'],
    RUN_BUCKETS,
  );
  return ({ verb, outcome, seconds }) => durations.observe(seconds, { verb, outcome });
}

function readiness({ status }: Machine): string {
  const condition = findCondition({ status }, 'Ready');
  return condition ? `${condition.status} ${condition.reason}` : 'Unknown';
}

function tally(machines: readonly Machine[], keyOf: (machine: Machine) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const machine of machines) counts.set(keyOf(machine), (counts.get(keyOf(machine)) ?? 0) + 1);
  return counts;
}
