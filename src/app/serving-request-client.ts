/**
 * Reads and approves certificate requests of workload clusters. Their API servers may be slow, wrong or silent: each request has a time
 * limit, and a connection lasts for one look only.
 */

import type { ObjectKey } from '../apimachinery/object.ts';
import type {
  ServingRequest,
  ServingRequestClient,
  ServingRequests,
} from '../controllers/certificate/serving-request.ts';
import { TransientError } from '../errors.ts';
import { ApiError, hasReason } from '../kube/client/api-error.ts';
import type { Client } from '../kube/client/client.ts';
import { unreadable } from './node-watch.ts';
import { ServingRequestKind, SIGNER } from './serving-request.ts';
import { nameOf, type WorkloadConnections } from './workload-connection.ts';

export interface WorkloadServingRequestsOptions {
  readonly connections: WorkloadConnections;
  /** Called before each write; what it throws is thrown instead. */
  readonly mayWrite: () => void;
  /** Milliseconds for one request with its repetitions. Default 10 s. */
  readonly requestMs?: number;
}

const REQUEST_MS = 10_000;
/** Who has no right now will not have it in a minute either. */
const DENIED_MS = 5 * 60_000;
const FIELD_MANAGER = 'caplv-certificate';

export class WorkloadServingRequests implements ServingRequests {
  readonly #options: WorkloadServingRequestsOptions;

  constructor(options: WorkloadServingRequestsOptions) {
    this.#options = options;
  }

  async within(
    { namespace, name }: ObjectKey,
    work: (client: ServingRequestClient) => Promise<void>,
  ): Promise<void> {
    const { connections, mayWrite, requestMs = REQUEST_MS } = this.#options;
    const place = await connections.placeOf(namespace, name);
    // Requests of the controller's own cluster are its operator's.
    if (place.kubeconfig === '') return;
    const client = connections.clientFor(place);
    const ask = async <T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> => {
      try {
        return await request(AbortSignal.timeout(requestMs));
      } catch (error) {
        throw failureOf(nameOf(place), error);
      }
    };
    try {
      await work({
        pending: () => ask((signal) => pending(client, signal)),
        approve: (request, message) => {
          mayWrite();
          return ask((signal) => approve(client, request, message, signal));
        },
      });
    } finally {
      client.close();
    }
  }
}

async function pending(client: Client, signal: AbortSignal): Promise<readonly ServingRequest[]> {
  const fieldSelector = `spec.signerName=${SIGNER}`;
  const { items } = await client.list(ServingRequestKind, { fieldSelector, signal });
  return items.flatMap(({ kept }) => kept ?? []);
}

async function approve(
  client: Client,
  { name, uid, resourceVersion }: ServingRequest,
  message: string,
  signal: AbortSignal,
): Promise<boolean> {
  const condition = { type: 'Approved', status: 'True', reason: 'CaplvMachine', message };
  const patch = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } };
  const options = { signal, fieldManager: FIELD_MANAGER };
  try {
    await client.patchIn('approval', ServingRequestKind, { namespace: '', name }, patch, options);
    return true;
  } catch (error) {
    if (hasReason(error, 'Conflict') || hasReason(error, 'NotFound')) return false;
    throw error;
  }
}

/** Without any text of the server. */
function failureOf(place: string, cause: unknown): TransientError {
  if (!(cause instanceof ApiError) || (cause.code !== 401 && cause.code !== 403))
    return unreadable(place, cause);
  return new TransientError({
    code: 'NodeAccessDenied',
    message: `certificate requests of ${place} cannot be approved: its API server answers with status ${cause.code}`,
    fix: 'give the kubeconfig the rights that docs/operations.md lists (Serving certificates of kubelets)',
    retryAfterMs: DENIED_MS,
    cause,
  });
}
