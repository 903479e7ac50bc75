/** `caplv controller`: runs until SIGTERM or Ctrl-C. */

import { clusterBackend, localBackend } from '../../app/backend.ts';
import { configOf, countOf } from '../../app/config.ts';
import { runController } from '../../app/controller-manager.ts';
import type { GlobalFlags } from '../../app/global-flags.ts';
import { DEFAULT_PERIODIC_PLANS } from '../../controllers/machine/periodic-plans.ts';
import { DEFAULT_REPAIR_LIMITS, type RepairLimits } from '../../controllers/shared/repair-budget.ts';
import { TerminalError } from '../../errors.ts';
import { SHUTDOWN_TIMEOUT_MS } from '../../kube/runtime/manager.ts';
import { shutdownSignal } from '../../kube/runtime/signals.ts';
import { parseWait } from '../../system/duration.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import { collectProcessMetrics } from '../../telemetry/process-metrics.ts';
import { logProcessWarnings } from '../../telemetry/process-warnings.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';

export interface ControllerFlags extends GlobalFlags {
  readonly kubeconfig?: string;
  readonly local?: boolean;
  readonly listen?: string;
  readonly concurrency?: string;
  readonly repairLimit?: string;
  readonly repairWindow?: string;
  readonly planInterval?: string;
  readonly sweepInterval?: string;
  readonly watchFilter?: string;
  readonly servingCertificates?: 'approve' | 'ignore';
  readonly logFormat?: 'json' | 'pretty';
}

/** Most of them wait: for a slot of terraform, for a guest that shuts down. */
const DEFAULT_CONCURRENCY = 16;
/** After all work has ended, or has not: for the lease, the last events and the providers. */
const CLOSE_MS = 30_000;
const DEFAULT_SWEEP = '5m';
/** Shorter intervals would be nothing but work. */
const LEAST_INTERVAL_MS = 1_000;

export async function controller(flags: ControllerFlags): Promise<number> {
  const config = configOf(flags, flags.local ? 'own' : 'cluster');
  const listen = flags.listen === undefined ? undefined : listenOn(flags.listen);
  const concurrency = countOf('--concurrency', flags.concurrency) ?? DEFAULT_CONCURRENCY;
  const repairs = repairLimitsOf(flags);
  const planIntervalMs =
    flags.planInterval === undefined
      ? DEFAULT_PERIODIC_PLANS.intervalMs
      : intervalOf(flags.planInterval, '--plan-interval');
  const sweepMs = parseWait(flags.sweepInterval ?? DEFAULT_SWEEP, '--sweep-interval', LEAST_INTERVAL_MS);
  const log = createLogger({ level: config.verbose ? 'debug' : 'info', format: logFormatOf(flags) });
  logProcessWarnings(log);
  const metrics = new Metrics();
  collectProcessMetrics(metrics);
  const { kubeconfig, namespace } = flags;
  const { hosts, servers } = config.policy;
  const { spellingsOf } = hosts;
  const shared = { log, metrics, keptSerials: config.keptSerials, spellingsOf, servers };
  try {
    const backend = flags.local
      ? await localBackend(config.stateDir, shared)
      : await clusterBackend({
          ...{ kubeconfig, namespace },
          watchNamespaces: config.watchNamespaces,
          ...shared,
        });
    try {
      const options = {
        config,
        backend,
        log,
        metrics,
        concurrency,
        listen,
        repairs,
        planIntervalMs,
        sweepMs,
        watchFilter: flags.watchFilter,
        approvesServingCertificates: flags.servingCertificates === 'approve',
      };
      await runController(options, shutdownSignal(log, SHUTDOWN_TIMEOUT_MS + CLOSE_MS));
    } finally {
      await backend.close();
    }
    return EXIT.ok;
  } catch (error) {
    // Not as for a person at a terminal: whoever collects the lines reads the last one like the others.
    log.error('Controller failed', { error });
    return exitCodeOf(error);
  }
}

/** On a terminal somebody reads along; a cluster collects lines for machines, whatever its pods write to. */
function logFormatOf({ logFormat, local = false }: ControllerFlags): 'json' | 'pretty' {
  return logFormat ?? (local && process.stderr.isTTY ? 'pretty' : 'json');
}

/** `:8080` or `127.0.0.1:8080`. */
function listenOn(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (port === '') throw refused('--listen', text, 'for example :8080 or 127.0.0.1:8080');
  return { host: host.replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(port) };
}

/** `20%` and `1h`. */
function repairLimitsOf({ repairLimit, repairWindow }: ControllerFlags): RepairLimits {
  const { share, windowMs } = DEFAULT_REPAIR_LIMITS;
  if (repairLimit !== undefined && !/^(\d{1,2}|100)%$/.test(repairLimit))
    throw refused('--repair-limit', repairLimit, 'from 0% (always at least one machine) to 100% (no limit)');
  return {
    share: repairLimit === undefined ? share : Number.parseInt(repairLimit, 10) / 100,
    windowMs:
      repairWindow === undefined ? windowMs : parseWait(repairWindow, '--repair-window', LEAST_INTERVAL_MS),
  };
}

function intervalOf(text: string, flag: string): number {
  return text === '0' ? 0 : parseWait(text, flag, LEAST_INTERVAL_MS);
}

function refused(flag: string, value: string, fix: string): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    path: flag,
    message: `invalid value "${value}"`,
    fix,
  });
}
