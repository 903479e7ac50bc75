/**
 * Machines that lack something which comes without a change of theirs. That is no failure, and nothing is gained by repeating the
 * reconcile until then: of objects the watches tell, and for the rest one looks out, once for each thing, however many
 * machines wait for it.
 */

import { once } from 'node:events';
import type { ObjectKey } from '../../../apimachinery/object.ts';
import { formatKey } from '../../../apimachinery/object-key.ts';
import { CaplvError, type ErrorCode } from '../../../errors.ts';
import type { Policy } from '../../../intent/policy.ts';
import type { ReconcileContext, Result } from '../../../kube/runtime/controller.ts';
import type { Libvirt } from '../../../libvirt/libvirt.ts';
import type { AllowedHost } from '../../../system/allowed-host.ts';
import { type PolledDependency, waitUntilPresent } from './file-probe.ts';
import { UrlProbe } from './url-probe.ts';

/** Made on the host by whoever keeps it; and a libvirtd that has just started does not have them all yet. */
const OF_THE_HOST: ReadonlySet<ErrorCode> = new Set(['PoolNotFound', 'NetworkNotFound']);
const HOST_MS = 10_000;

export interface DependencyWatcherOptions {
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  /** Where servers may redirect to. */
  readonly policy: Policy;
  /** What the object waited for is there. */
  readonly onAppearance: (key: ObjectKey) => void;
  /** Milliseconds between two requests for a URL; default 1500. */
  readonly urlIntervalMs?: number;
}

interface Awaited {
  /** By formatted key. */
  readonly waiting: Map<string, ObjectKey>;
  /** Nobody waits any more. */
  readonly stop: AbortController;
}

export class DependencyWatcher {
  readonly name = 'waiting';
  readonly #options: DependencyWatcherOptions;
  readonly #urls: UrlProbe;
  readonly #awaited = new Map<string, Awaited>();
  readonly #stopped = new AbortController();

  constructor(options: DependencyWatcherOptions) {
    this.#options = options;
    this.#urls = new UrlProbe(options.policy, options.urlIntervalMs);
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await once(signal, 'abort');
    this.#stopped.abort();
    for (const { stop } of this.#awaited.values()) stop.abort();
  }

  /** Runs a reconcile; what lacks something is called again when that is there. */
  async reconcile(key: ObjectKey, { log }: ReconcileContext, work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      this.#await(key, undefined);
      return result;
    } catch (error) {
      const missing = error instanceof CaplvError ? error.missing : undefined;
      this.#await(key, missing?.kind === 'watched' ? undefined : missing);
      if (error instanceof CaplvError && missing === undefined && OF_THE_HOST.has(error.code)) {
        log.warn('Waiting for a dependency on its host', { error });
        return { requeueAfterMs: HOST_MS };
      }
      if (missing === undefined) throw error;
      log.info('Waiting for a missing dependency', { error });
      return {};
    }
  }

  /** The object waits for this and for nothing else; undefined: for nothing. */
  #await(key: ObjectKey, missing: PolledDependency | undefined): void {
    const id = missing && JSON.stringify({ ...missing, holdMs: undefined });
    const name = formatKey(key);
    for (const [other, { waiting, stop }] of this.#awaited) {
      if (other === id || !waiting.delete(name) || waiting.size > 0) continue;
      stop.abort();
      this.#awaited.delete(other);
    }
    if (id === undefined || missing === undefined || this.#stopped.signal.aborted) return;
    if (missing.kind === 'url' && missing.holdMs !== undefined) this.#urls.hold(missing.url, missing.holdMs);
    const known = this.#awaited.get(id);
    if (known) known.waiting.set(name, key);
    else this.#lookOut(id, missing, { waiting: new Map([[name, key]]), stop: new AbortController() });
  }

  #lookOut(id: string, missing: PolledDependency, awaited: Awaited): void {
    const { onAppearance } = this.#options;
    const { signal } = awaited.stop;
    this.#awaited.set(id, awaited);
    const there =
      missing.kind === 'url'
        ? this.#urls.appearance(missing.url, signal)
        : waitUntilPresent(missing, this.#options, signal);
    there.then(
      () => {
        this.#awaited.delete(id);
        for (const key of awaited.waiting.values()) onAppearance(key);
      },
      // Nobody waits any more.
      () => {},
    );
  }
}
