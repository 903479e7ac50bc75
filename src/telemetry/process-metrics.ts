/** Reports CPU, memory and event loop of this process as metrics. */

import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.ts';

/** Memory, CPU, file descriptors and event loop of this process, under the names that dashboards know. */
export function collectProcessMetrics(metrics: Metrics): void {
  const memory = metrics.gauge('process_resident_memory_bytes', 'Resident memory of the process.');
  const heap = metrics.gauge('nodejs_heap_size_used_bytes', 'Heap in use by V8.');
  const cpu = metrics.gauge('process_cpu_seconds_total', 'CPU time of the process, user and system.');
  const started = metrics.gauge('process_start_time_seconds', 'Start of the process, in seconds since 1970.');
  const descriptors = metrics.gauge('process_open_fds', 'Open file descriptors.');
  const lag = metrics.gauge(
    'nodejs_eventloop_lag_p99_seconds',
    'How late the event loop ran timers since the last scrape, 99th percentile.',
  );
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();

  metrics.onCollect(() => {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    memory.set(rss);
    heap.set(heapUsed);
    cpu.set((user + system) / 1e6);
    started.set(Date.now() / 1000 - process.uptime());
    descriptors.set(openDescriptors());
    lag.set(Math.max(0, delay.percentile(99) / 1e9 - 0.02));
    delay.reset();
  });
}

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return Number.NaN; // No /proc: macOS.
  }
}
