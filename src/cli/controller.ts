/** `caplv controller`: runs until SIGTERM or Ctrl-C. */

import { configOf, countOf, type GlobalFlags } from '../config.ts';
import { clusterBackend, localBackend } from '../controller/backend.ts';
import { runController } from '../controller.ts';
import { parseDuration } from '../duration.ts';
import { Terminal } from '../errors.ts';
import { createLogger } from '../kube/log.ts';
import { Metrics } from '../kube/metrics.ts';
import { collectProcessMetrics } from '../kube/process-metrics.ts';
import { shutdownSignal } from '../kube/shutdown-signal.ts';
import { EXIT } from './exit-code.ts';
import { requireLibvirtUri } from './libvirt-uri.ts';

export interface ControllerFlags extends GlobalFlags {
  readonly kubeconfig?: string;
  readonly local?: boolean;
  readonly listen?: string;
  readonly concurrency?: string;
  readonly sweepInterval?: string;
  readonly logFormat?: 'json' | 'pretty';
}

/** Most of them wait: for a slot of terraform, for a guest that shuts down. */
const DEFAULT_CONCURRENCY = 16;
const DEFAULT_SWEEP = '5m';

export async function controller(flags: ControllerFlags): Promise<number> {
  const config = configOf(flags, flags.local ? 'own' : 'cluster');
  requireLibvirtUri(config.libvirtUri);
  const listen = flags.listen === undefined ? undefined : listenOn(flags.listen);
  const concurrency = countOf('--concurrency', flags.concurrency) ?? DEFAULT_CONCURRENCY;
  const sweepMs = parseDuration(flags.sweepInterval ?? DEFAULT_SWEEP, '--sweep-interval');
  const log = createLogger({ level: config.verbose ? 'debug' : 'info', format: flags.logFormat ?? 'json' });
  const metrics = new Metrics();
  collectProcessMetrics(metrics);
  const { kubeconfig, namespace } = flags;
  const shared = { log, metrics, keptSerials: config.keptSerials };
  const backend = flags.local
    ? await localBackend(config.stateDir, shared)
    : await clusterBackend({ kubeconfig, namespace, ...shared });
  try {
    await runController({ config, backend, log, metrics, concurrency, listen, sweepMs }, shutdownSignal(log));
    return EXIT.ok;
  } catch (error) {
    log.error('Controller failed', { error });
    return EXIT.failed;
  } finally {
    await backend.close();
  }
}

/** `:8080` or `127.0.0.1:8080`. */
function listenOn(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (port === '') throw refused('--listen', text, 'for example :8080 or 127.0.0.1:8080');
  return { host: host.replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(port) };
}

function refused(flag: string, value: string, fix: string): Terminal {
  return new Terminal({
    code: 'InvalidConfiguration',
    path: flag,
    message: `"${value}" cannot be used`,
    fix,
  });
}
