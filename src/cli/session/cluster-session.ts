/** What commands have that work on a cluster: its objects, and no libvirt. The controller there does the work. */

import type { ClusterConnection } from '../../app/cluster-connection.ts';
import { type Config, configOf } from '../../app/config.ts';
import { type GlobalFlags, outputSettings } from '../../app/global-flags.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { openTerminal, type Streams } from '../output/streams.ts';
import { Interrupt, type InterruptOptions } from './interrupt.ts';

export interface ClusterFlags extends GlobalFlags {
  /** Path of a kubeconfig: work on that cluster, and not on the local store. */
  readonly kubeconfig?: string;
}

export interface ClusterContext {
  readonly config: Config;
  readonly terminal: Streams;
  readonly cluster: ClusterConnection;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

export async function withCluster(
  flags: ClusterFlags & { readonly kubeconfig: string },
  work: (context: ClusterContext) => Promise<number>,
  options: InterruptOptions = {},
): Promise<number> {
  const terminal = openTerminal(outputSettings(flags));
  const log = createLogger({ level: 'warn', format: 'pretty' });
  const interrupt = new Interrupt(terminal, options);
  try {
    // Not loaded for the local store: node:http alone takes 25 ms, as an import of it makes Node load its fetch.
    const { connectCluster } = await import('../../app/cluster-connection.ts');
    const { kubeconfig, namespace } = flags;
    // The Machines of a cluster were written by others: they may name what its operator allows.
    const settings = configOf(flags, 'cluster');
    const { spellingsOf } = settings.policy.hosts;
    const { keptSerials, watchNamespaces } = settings;
    const shared = { log, metrics: new Metrics(), keptSerials, spellingsOf };
    const cluster = await connectCluster({ kubeconfig, namespace, watchNamespaces, ...shared });
    try {
      const config = { ...settings, namespace: cluster.namespace };
      return await work({ config, terminal, cluster, signal: interrupt.signal });
    } finally {
      await cluster.close();
    }
  } finally {
    interrupt.dispose();
  }
}
