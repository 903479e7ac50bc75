/**
 * A whole operator, for tests: paints widgets. Run as a process:
 *   operator.ts KUBECONFIG IDENTITY [SERVER]
 * It takes `spec.size` times 100 ms to paint one, and then says in the status who did it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../src/kube/client/client.ts';
import { loadConnection } from '../../src/kube/client/kubeconfig.ts';
import { Controller } from '../../src/kube/runtime/controller.ts';
import { KubernetesStore } from '../../src/kube/runtime/kubernetes-store.ts';
import { LeaderElection } from '../../src/kube/runtime/leader-election.ts';
import { Manager } from '../../src/kube/runtime/manager.ts';
import { shutdownSignal } from '../../src/kube/runtime/signals.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { WidgetKind } from './widget.ts';

const [kubeconfig, identity = 'operator', server] = process.argv.slice(2);
const log = createLogger({ level: 'info', format: 'json' });
const metrics = new Metrics();
const connection = await loadConnection({ kubeconfig });
const client = new Client(server ? { ...connection, server: new URL(server) } : connection, metrics);
const store = new KubernetesStore(client, { log, metrics });

const times = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 300 };
const lease = { client, namespace: 'default', name: 'painter', identity, log, metrics, ...times };
const leaderElection = new LeaderElection(lease);
const manager = new Manager({ store, log, metrics, leaderElection, listen: { host: '127.0.0.1', port: 0 } });
const widgets = manager.informer(WidgetKind);

const painter = new Controller({
  name: 'painter',
  concurrency: 4,
  log,
  metrics,
  reconcile: async (key, context) => {
    const widget = widgets.get(key);
    if (!widget || widget.status?.phase) return undefined;
    context.log.info('Painting');
    await sleep((widget.spec.size ?? 0) * 100);
    await store.applyStatus(WidgetKind, key, { phase: `painted by ${identity}` }, { fieldManager: identity });
    context.log.info('Painted');
    return undefined;
  },
});
manager.add(painter.watch(widgets));

try {
  await manager.run(shutdownSignal(log, 60_000));
} catch (error) {
  log.error('Operator failed', { error });
  process.exitCode = 1;
} finally {
  client.close();
}
