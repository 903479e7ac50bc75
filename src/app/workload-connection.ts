/**
 * Connects to the clusters that machines are made for. Which one that is says a Secret `<cluster>-kubeconfig` with the key `value`, as
 * Cluster API has it.
 */

import { type Secret, SecretKind, secretValue } from '../api/kinds/secret.ts';
import type { ObjectKey } from '../apimachinery/object.ts';
import { messageOf, TransientError } from '../errors.ts';
import { Client } from '../kube/client/client.ts';
import { connectionFromText } from '../kube/client/kubeconfig.ts';
import { WORKLOAD_SERVER_LIMITS } from '../kube/client/limits.ts';
import type { ConnectGuard } from '../system/network/guarded-agent.ts';
import type { Logger } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';

/** Where a cluster is, as its Secret says. */
export interface Place {
  readonly namespace: string;
  /** Empty: there is no Secret. */
  readonly kubeconfig: string;
  /** For messages. */
  readonly secret: string;
}

export interface WorkloadConnectionsOptions {
  /** Holds the Secrets. */
  readonly secrets: { get(kind: typeof SecretKind, key: ObjectKey): Promise<Secret | undefined> };
  readonly log: Logger;
  /** Why the controller does not connect there, for servers that a kubeconfig names; see `ServerList`. */
  readonly guard: ConnectGuard;
}

/** A kubeconfig that cannot be used is not read again for this long, in milliseconds. */
const REFUSED_MS = 60_000;

export class WorkloadConnections {
  readonly #options: WorkloadConnectionsOptions;
  /** By the text of the kubeconfig: why it is none. To read it again for each Machine would cost too much. */
  readonly #refused = new Map<string, TransientError>();

  constructor(options: WorkloadConnectionsOptions) {
    this.#options = options;
  }

  /** Reads the Secret of a Cluster. `cluster`: its name; undefined: a machine that belongs to none. */
  async placeOf(namespace: string, cluster: string | undefined): Promise<Place> {
    const name = `${cluster}-kubeconfig`;
    const secret =
      cluster === undefined ? undefined : await this.#options.secrets.get(SecretKind, { namespace, name });
    return {
      namespace,
      kubeconfig: (secret && secretValue(secret, 'value')) ?? '',
      secret: `Secret ${namespace}/${name}`,
    };
  }

  /** Returns a client for the place, to be closed by its user. Throws TransientError InvalidConfiguration for what is no kubeconfig. */
  clientFor({ kubeconfig, secret }: Place): Client {
    const refused = this.#refused.get(kubeconfig);
    if (refused) throw refused;
    try {
      const connection = connectionFromText(kubeconfig, secret, this.#guardOf(secret));
      return new Client(connection, new Metrics(), WORKLOAD_SERVER_LIMITS);
    } catch (cause) {
      const error = new TransientError({
        code: 'InvalidConfiguration',
        message: messageOf(cause),
        fix: 'put a kubeconfig with an https:// server, its CA, and a certificate or a token into the key `value`',
        retryAfterMs: REFUSED_MS,
      });
      this.#refused.set(kubeconfig, error);
      setTimeout(() => this.#refused.delete(kubeconfig), REFUSED_MS).unref();
      throw error;
    }
  }

  /** Tells the operator once each time that a cluster is tried. */
  #guardOf(secret: string): ConnectGuard {
    const { guard, log } = this.#options;
    return async (target) => {
      const reason = await guard(target);
      if (reason !== undefined)
        log.warn('Refused to connect to an API server', { secret, ...target, reason });
      return reason;
    };
  }
}

/** Names the cluster in messages. */
export function nameOf({ kubeconfig, secret }: Place): string {
  return kubeconfig === '' ? 'this cluster' : `the cluster of ${secret}`;
}
