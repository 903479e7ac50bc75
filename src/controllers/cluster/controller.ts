/** The Cluster controller: networks and pools of its hosts, and a deletion that waits for its machines. */

import { isDeepStrictEqual } from 'node:util';
import type { ActuatorEvent } from '../../actuator/context/options.ts';
import type { PlanPreview } from '../../actuator/plan/preview.ts';
import { ReplaceRefused } from '../../actuator/plan/replace-guard.ts';
import {
  type Cluster,
  ClusterKind,
  type ClusterStatus,
  clusterProviderSpec,
  storedClusterSpec,
} from '../../api/kinds/cluster.ts';
import { isOfCluster, MachineKind } from '../../api/kinds/machine.ts';
import { FINALIZER } from '../../api/schema/group.ts';
import { setCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { CaplvError, TerminalError } from '../../errors.ts';
import type { Policy } from '../../intent/policy.ts';
import { isAllowedSite, requireAllowedSite, sitePath } from '../../intent/policy-check.ts';
import { type NamedSite, type Site, sitesOf } from '../../intent/site.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import { removeFinalizer } from '../../store/finalizer.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';
import { approvedPlan, recordedPlan } from '../shared/approval.ts';
import type { Reason } from '../shared/conditions.ts';
import { describeEvent } from '../shared/event-messages.ts';
import { isGivenUp, withRecoveryHint } from '../shared/give-up.ts';
import type { Recorder } from '../shared/recorder.ts';
import { type HostResources, siteUse } from '../shared/shared-hosts.ts';
import { hostNeeds, untilThere } from './host-needs.ts';

export interface ClusterReconcilerOptions {
  readonly store: Store;
  readonly hosts: HostResources;
  readonly recorder: Recorder;
  readonly allowReplace: boolean;
  readonly policy: Policy;
}

/** What a Cluster claims on its hosts beyond networks and pools. */
export interface ClusterClaims {
  /** Called when networks and pools of all hosts are there. Throws CaplvError for what keeps the Cluster from being ready. */
  ensure(sites: readonly Site[]): Promise<void>;
  /** Called when its machines are gone, before what it has on the host of `site` goes. */
  release(site: Site): Promise<void>;
}

/** What a Cluster has beyond that of the original API. */
export interface ClusterExtras {
  readonly claims?: ClusterClaims | undefined;
  /** Called before what the Cluster has on the host of `site` is made, changed or removed: it may come from another management cluster. */
  readonly takeOver?: ((site: Site) => Promise<void>) | undefined;
}

/** Key of what failed on no host in particular. */
const CLAIMS = '';

/** Machines being deleted tell nobody; so the Cluster looks again. */
const MACHINES_POLL_MS = 2_000;

export class ClusterReconciler {
  readonly #options: ClusterReconcilerOptions;

  constructor(options: ClusterReconcilerOptions) {
    this.#options = options;
  }

  /** Throws TransientError or TerminalError; the status then already says so. */
  async reconcile(key: ObjectKey, { claims, takeOver }: ClusterExtras = {}): Promise<Result> {
    const { store } = this.#options;
    const cluster = await store.get(ClusterKind, key);
    if (!cluster) return {};
    if (cluster.metadata.deletionTimestamp) {
      // As it is stored now: it goes because of it.
      const stored = await store.get(ClusterKind, key, { fresh: true });
      return stored ? this.#reconcileDelete(stored, key, { claims, takeOver }) : {};
    }
    if (!cluster.metadata.finalizers?.includes(FINALIZER)) {
      await store.apply(
        ClusterKind,
        { metadata: { ...key, ...uidOf(cluster), finalizers: [FINALIZER] } },
        { fieldManager: FIELD_MANAGER },
      );
    }
    const { spec } = storedClusterSpec(cluster);
    const sites = sitesOf(spec, this.#options.policy.defaultHost);
    const { hosts, allowReplace } = this.#options;
    const word = { allowReplace, approvedPlan: approvedPlan(cluster) };
    const failures = await this.#forEachHost(
      cluster,
      sites,
      (index) => sitePath(spec, index),
      async (site, path) => {
        await takeOver?.(site);
        await hosts.ensureSite(cluster, site, path, {
          ...word,
          onEvent: (event) => this.#tell(cluster, event),
        });
      },
    );
    if (claims && failures.size === 0) {
      const failure = await this.#claim(claims, sites);
      if (failure) failures.set(CLAIMS, failure);
    }
    await this.#save(cluster, key, failures.size > 0 ? 'Pending' : 'Provisioned', sites, failures);
    for (const failure of failures.values()) throw untilThere(failure, hostNeeds(failures, sites));
    return {};
  }

  /** Returns what the claims of a Cluster failed with. */
  async #claim(claims: ClusterClaims, sites: readonly NamedSite[]): Promise<CaplvError | undefined> {
    const { policy } = this.#options;
    try {
      await claims.ensure(
        sites.flatMap((site) => {
          const uri = policy.host(site.uri);
          return uri === undefined ? [] : { ...site, uri };
        }),
      );
      return undefined;
    } catch (error) {
      if (error instanceof CaplvError) return error;
      throw error;
    }
  }

  /** What `reconcile` would change on each host of the Cluster, by its URI. Throws what stops it there. */
  async plan(cluster: Cluster): Promise<Map<AllowedHost, PlanPreview>> {
    const { hosts, policy } = this.#options;
    const { spec } = storedClusterSpec(cluster);
    const plans = new Map<AllowedHost, PlanPreview>();
    const failures = await this.#forEachHost(
      cluster,
      sitesOf(spec, policy.defaultHost),
      (index) => sitePath(spec, index),
      async (site, path) => void plans.set(site.uri, await hosts.planSite(cluster, site, path)),
    );
    for (const failure of failures.values()) throw failure;
    return plans;
  }

  /** Does `work` on each host on which the Cluster may have what it names. Returns what failed, by URI. */
  async #forEachHost(
    cluster: Cluster,
    sites: readonly NamedSite[],
    pathOf: (index: number) => string,
    work: (site: Site, path: string) => Promise<void>,
  ): Promise<Map<string, CaplvError>> {
    const { hosts, policy } = this.#options;
    const failures = new Map<string, CaplvError>();
    await Promise.all(
      sites.map(async (named, index) => {
        try {
          clusterProviderSpec(cluster);
          const path = pathOf(index);
          const site = requireAllowedSite(policy, named, path);
          await hosts.requireUsable(site.uri, siteUse(cluster, site, path));
          const dispute = await hosts.findConflict(cluster, site);
          if (dispute) throw new TerminalError({ ...dispute, path: `${path}.${dispute.path}` });
          await work(site, path);
        } catch (error) {
          if (!(error instanceof CaplvError)) throw error;
          failures.set(named.uri, error);
        }
      }),
    );
    return failures;
  }

  #tell(cluster: Cluster, event: ActuatorEvent): void {
    if (event.type !== 'state_recovered') return;
    const described = describeEvent(event);
    if (described) this.#options.recorder.event(cluster, described);
  }

  async #reconcileDelete(
    cluster: Cluster,
    key: ObjectKey,
    { claims, takeOver }: ClusterExtras,
  ): Promise<Result> {
    const { store, hosts, recorder, policy } = this.#options;
    const broken: UnreadableObjectError[] = [];
    const sites = sitesOf(storedClusterSpec(cluster).spec, policy.defaultHost);
    const machines = await store
      .list(MachineKind, { namespace: key.namespace, onUnreadable: (errors) => broken.push(...errors) })
      .catch(async (error: unknown) => {
        // Whether it has machines is not known: for want of rights, for example.
        if (error instanceof CaplvError)
          await this.#save(cluster, key, 'Deleting', sites, new Map([['', error]]));
        throw error;
      });
    const mine = machines.filter((machine) => isOfCluster(machine, key));
    if (mine.length > 0) {
      await this.#save(cluster, key, 'Deleting', sites, new Map(), `waits for ${mine.length} Machines`);
      return { requeueAfterMs: MACHINES_POLL_MS };
    }
    if (broken[0]) {
      await this.#save(cluster, key, 'Deleting', sites, new Map([['', broken[0]]]));
      throw broken[0];
    }
    for (const site of sites) {
      const { uri: named } = site;
      const uri = policy.host(named);
      if (uri === undefined) continue;
      const here = { ...site, uri };
      try {
        await takeOver?.(here);
        await claims?.release(here);
        // Otherwise nothing was ever made there.
        if (isAllowedSite(policy, site) || (await hosts.isMade(here)))
          await hosts.releaseSite(here, { onEvent: (event) => this.#tell(cluster, event) });
      } catch (error) {
        if (!(error instanceof CaplvError)) throw error;
        if (!isGivenUp(cluster)) {
          const failure = withRecoveryHint(error, cluster) as CaplvError;
          const failures = new Map([[named, failure]]);
          await this.#save(cluster, key, 'Deleting', sites, failures);
          throw untilThere(failure, hostNeeds(failures, sites));
        }
        const left = `networks, pools${claims ? ', the address of its control plane' : ''} and images`;
        const message = `what may be left on ${uri}: ${left}; it was given up because: ${error.message}`;
        recorder.event(cluster, { type: 'Warning', reason: 'GivenUp', message });
      }
    }
    const object = { ...key, ...uidOf(cluster) };
    await removeFinalizer(store, ClusterKind, object, FINALIZER, { fieldManager: FIELD_MANAGER });
    return {};
  }

  /** The plan of a change that was refused, for a person to approve; of several hosts one after the other. */
  #refusedPlan(
    cluster: Cluster,
    failures: ReadonlyMap<string, CaplvError>,
  ): Pick<NonNullable<ClusterStatus['providerStatus']>, 'lastPlan'> {
    const refused = [...failures.values()].find((failure) => failure instanceof ReplaceRefused);
    if (!refused?.report) return {};
    const known = cluster.status?.providerStatus?.lastPlan;
    return { lastPlan: recordedPlan(cluster, known, this.#options.recorder, refused.report) };
  }

  async #save(
    cluster: Cluster,
    key: ObjectKey,
    phase: NonNullable<ClusterStatus['phase']>,
    sites: readonly NamedSite[],
    failures: ReadonlyMap<string, CaplvError>,
    waiting?: string,
  ): Promise<void> {
    const [failure] = failures.values();
    const reason: Reason | CaplvError['code'] =
      failure?.code ?? (waiting === undefined ? 'AsSpecified' : 'WaitingForMachines');
    const ready = failure === undefined && waiting === undefined;
    const where = failure?.path === undefined ? '' : `${failure.path}: `;
    const message = failure
      ? [`${where}${failure.message}`, failure.fix].filter(Boolean).join('; ')
      : (waiting ?? '');
    const { errorReason: _, errorMessage: __, ...kept } = cluster.status ?? {};
    const areMade = phase === 'Provisioned' || (phase === 'Pending' && failures.has(CLAIMS));
    const status: ClusterStatus = {
      ...kept,
      phase: failure instanceof TerminalError ? 'Failed' : phase,
      ...(failure instanceof TerminalError ? { errorReason: failure.code, errorMessage: message } : {}),
      conditions: setCondition(
        kept.conditions,
        { type: 'Ready', status: ready ? 'True' : 'False', reason, message },
        new Date().toISOString(),
      ),
      providerStatus: {
        hosts: sites.map((site) => {
          const { name, uri } = site;
          const problem = failures.get(uri);
          return {
            name: name ?? uri,
            uri,
            ready: !problem,
            ...heldOn(cluster, site, areMade && !problem),
            ...(problem ? { message: problem.message } : {}),
          };
        }),
        ...this.#refusedPlan(cluster, failures),
      },
    };
    if (cluster.metadata.generation !== undefined) status.observedGeneration = cluster.metadata.generation;
    if (isDeepStrictEqual(cluster.status, status)) return;
    const options = { fieldManager: FIELD_MANAGER, before: cluster.status };
    await this.#options.store.applyStatus(ClusterKind, key, status, options);
  }
}

/** The names of what the Cluster has on the host of a site: `isMade`, or had before and still asks for. */
function heldOn(
  { status }: Cluster,
  { uri, network, pool }: NamedSite,
  isMade: boolean,
): { readonly network?: string; readonly pool?: string } {
  const before = status?.providerStatus?.hosts?.find((host) => host.uri === uri);
  const hasNetwork = network.mode !== undefined && (isMade || before?.network === network.name);
  const hasPool = pool.path !== undefined && (isMade || before?.pool === pool.name);
  return { ...(hasNetwork ? { network: network.name } : {}), ...(hasPool ? { pool: pool.name } : {}) };
}

/** For writes: to this very object, and none if it is gone. */
function uidOf({ metadata: { uid } }: Cluster): { readonly uid?: string } {
  return uid === undefined ? {} : { uid };
}
