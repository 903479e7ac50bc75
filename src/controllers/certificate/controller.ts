/**
 * Approves the serving certificates that kubelets of our machines request (signer kubernetes.io/kubelet-serving), where all that a request
 * names is the machine's. Reconciles one workload cluster after the other: the name of a Cluster is its key.
 */

import type { Machine } from '../../api/kinds/machine.ts';
import { isPaused } from '../../api/schema/paused.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { formatKey, keyOf } from '../../apimachinery/object-key.ts';
import { objectName } from '../../intent/names.ts';
import type { ReconcileContext, Result } from '../../kube/runtime/controller.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import { Turn } from '../../system/turn.ts';
import type { Recorder } from '../shared/recorder.ts';
import { type EvidenceSources, evidenceOf, HOST_SILENT } from './evidence.ts';
import type { ServingRequest, ServingRequestClient, ServingRequests } from './serving-request.ts';
import { type MachineEvidence, readClaim, refusalOfClaim } from './verdict.ts';

export interface CertificateReconcilerOptions extends EvidenceSources {
  /** The machines that belong to a Cluster, of either API. */
  readonly machinesOf: (cluster: ObjectKey) => readonly Machine[];
  readonly requests: ServingRequests;
  readonly recorder: Recorder;
  readonly onDecision: (result: 'approved' | 'refused') => void;
}

/** Between two lists of the requests of one cluster, in milliseconds. A kubelet waits 15 minutes for its certificate. */
const POLL_MS = 15_000;
/** A worker has that long for one cluster, in milliseconds; what is left is for the next time. */
const PASS_MS = 30_000;
/** Requests that are reported in one pass because they are left alone; more of them are counted only. */
const MOST_REPORTED = 20;

export class CertificateReconciler {
  readonly #options: CertificateReconcilerOptions;
  /** By cluster: what was reported of its requests that are still there, by uid. */
  readonly #reported = new Map<string, ReadonlyMap<string, string>>();

  constructor(options: CertificateReconcilerOptions) {
    this.#options = options;
  }

  /** Throws TransientError for a cluster whose API server cannot be asked. */
  async reconcile(cluster: ObjectKey, { log }: Pick<ReconcileContext, 'log'>): Promise<Result> {
    const machines = this.#options.machinesOf(cluster).filter(runs);
    if (machines.length === 0) {
      this.#reported.delete(formatKey(cluster));
      return {};
    }
    await this.#options.requests.within(cluster, async (client) => {
      const before = this.#reported.get(formatKey(cluster));
      const reported = new Map<string, string>();
      const evidence = new EvidenceCache(this.#options);
      const turn = new Turn();
      const deadline = performance.now() + PASS_MS;
      let reports = 0;
      for (const request of await client.pending()) {
        await turn.yieldIfLong();
        if (performance.now() > deadline) break;
        const { machine, refused } = await decide(request, machines, evidence);
        if (refused === undefined) {
          await this.#approve(client, request, machine);
          continue;
        }
        reported.set(request.uid, refused);
        if (before?.get(request.uid) === refused) continue;
        this.#options.onDecision('refused');
        if (++reports > MOST_REPORTED) continue;
        log.warn('Left a certificate request alone', { request: request.name, reason: refused });
        if (machine) this.#reportRefused(request, machine, refused);
      }
      this.#reported.set(formatKey(cluster), reported);
    });
    return { requeueAfterMs: POLL_MS };
  }

  async #approve(client: ServingRequestClient, request: ServingRequest, machine: Machine): Promise<void> {
    const { namespace, name } = keyOf(machine);
    const subject = `machine ${namespace}/${objectName({ name })}`;
    if (!(await client.approve(request, `The names and addresses are those of ${subject}.`))) return;
    const { recorder, onDecision } = this.#options;
    onDecision('approved');
    const message = `certificate request ${request.name}`;
    recorder.event(machine, { type: 'Normal', reason: 'ServingCertificateApproved', message });
  }

  #reportRefused({ name }: ServingRequest, machine: Machine, refused: string): void {
    const message = `certificate request ${name} is not approved: ${refused}`;
    this.#options.recorder.event(machine, { type: 'Warning', reason: 'ServingCertificateRefused', message });
  }
}

type Decision =
  | { readonly machine: Machine; readonly refused?: undefined }
  | { readonly machine?: Machine | undefined; readonly refused: string };

async function decide(
  request: ServingRequest,
  machines: readonly Machine[],
  evidence: EvidenceCache,
): Promise<Decision> {
  const read = readClaim(request);
  if ('refused' in read) return read;
  const { claim } = read;
  const [machine, another] = machines.filter(({ metadata }) => objectName(metadata) === claim.node);
  if (!machine) return { refused: 'no running machine of the cluster has the name of its Node' };
  if (another) return { machine, refused: 'two machines of the cluster have the name of its Node' };
  const known = await evidence.of(machine);
  if (typeof known === 'string') return { machine, refused: known };
  const refused = refusalOfClaim(claim, known);
  return refused === undefined ? { machine } : { machine, refused };
}

/** Asks for each machine once, however many requests name it. */
class EvidenceCache {
  readonly #sources: EvidenceSources;
  readonly #known = new Map<Machine, Promise<MachineEvidence | string>>();

  constructor(sources: EvidenceSources) {
    this.#sources = sources;
  }

  of(machine: Machine): Promise<MachineEvidence | string> {
    const known = this.#known.get(machine) ?? evidenceOf(machine, this.#sources).catch(notAnswered);
    this.#known.set(machine, known);
    return known;
  }
}

function notAnswered(error: unknown): string {
  if (error instanceof LibvirtError) return HOST_SILENT;
  throw error;
}

function runs(machine: Machine): boolean {
  const { metadata, status } = machine;
  const isLeft = metadata.deletionTimestamp !== undefined || isPaused(machine);
  return !isLeft && status?.providerStatus?.instanceState === 'running';
}
