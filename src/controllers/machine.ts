/**
 * The Machine controller: a row of guards, then delete or make true. Level-based: each call looks at what is and at what
 * should be, and may be repeated at any time, by any process.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Actuator } from '../actuator/actuator.ts';
import { poolsOf, reservationsOf } from '../actuator/machine-location.ts';
import { planReport } from '../actuator/plan-report.ts';
import { ReplaceRefused } from '../actuator/replace-guard.ts';
import type { ActuatorEvent } from '../actuator/verbs.ts';
import { type Machine, MachineKind, type MachineProviderStatus, type Pinned } from '../api/machine.ts';
import { CaplvError, Transient } from '../errors.ts';
import { intentHash, interfacesOf, poolOf } from '../intent/machine-intent.ts';
import { domainName, isOwnedBy } from '../intent/names.ts';
import { preflight } from '../intent/preflight.ts';
import { imageOf, type ResolvedMachine } from '../intent/resolve-machine.ts';
import { siteLabel } from '../intent/site.ts';
import type { DomainObservation } from '../libvirt/domain.ts';
import type { HostFacts } from '../libvirt/facts.ts';
import type { ObjectKey, Store } from '../store/store.ts';
import { addressPollMs, addressSources } from './guest-addresses.ts';
import { refuseSharedMac } from './mac-conflict.ts';
import { recordObservation } from './machine-observation.ts';
import type { MachineResolver, PlacedMachine } from './machine-resolver.ts';
import { MachineScope } from './machine-scope.ts';
import { approvedPlan, howToApprove, isPlanOnly, recordPlan } from './plan-approval.ts';
import { reasonToRun } from './reason-to-run.ts';
import type { Recorder } from './recorder.ts';
import type { SharedHosts } from './shared-hosts.ts';

/** Stops all work on an object while it is there. */
export const PAUSED_ANNOTATION = 'cluster-api.k8s.io/paused';

/** What the queue does next: nothing until something changes, or another look after a while. */
export interface Result {
  readonly requeueAfterMs?: number;
}

export interface MachineControllerOptions {
  readonly store: Store;
  readonly actuator: Actuator;
  readonly resolver: MachineResolver;
  readonly hosts: SharedHosts;
  readonly recorder: Recorder;
  /** Let plans run that replace or delete a domain or disk. */
  readonly allowReplace: boolean;
  /** Power guests off at once, whatever their spec says of shutting down. */
  readonly powerOff: boolean;
  /** Progress of one machine's operation, for people who wait. */
  readonly onProgress?: (key: ObjectKey, event: ActuatorEvent) => void;
  /**
   * The domain as it is known to be; undefined: libvirt has to be asked. Throws Transient LibvirtUnreachable for a host that is
   * known to be out of reach.
   */
  readonly lastSeen?: (uri: string, domain: string) => DomainObservation | undefined;
}

export class MachineController {
  readonly #options: MachineControllerOptions;

  constructor(options: MachineControllerOptions) {
    this.#options = options;
  }

  /** Throws Transient or Terminal; the status then already says so. */
  async reconcile(key: ObjectKey): Promise<Result> {
    const machine = await this.#options.store.get(MachineKind, key);
    if (!machine) return {};
    const scope = new MachineScope(this.#options.store, machine);
    if (machine.metadata.annotations?.[PAUSED_ANNOTATION] !== undefined) {
      scope.setCondition('Ready', 'False', 'Paused');
      await scope.save();
      return {};
    }
    try {
      if (machine.metadata.deletionTimestamp) return await this.#reconcileDelete(scope);
      await scope.claim(false);
      return await this.#reconcileNormal(scope);
    } catch (error) {
      await this.#reportFailure(scope, error);
      throw error;
    }
  }

  /** Brings the status up to date with what libvirt says, and does nothing else. */
  async observe(key: ObjectKey): Promise<void> {
    const machine = await this.#options.store.get(MachineKind, key);
    if (!machine?.status?.providerStatus?.pinned || machine.metadata.deletionTimestamp) return;
    const scope = new MachineScope(this.#options.store, machine);
    const placed = await this.#options.resolver.place(machine);
    recordObservation(scope, placed.spec, await this.#exists(placed));
    scope.summarize();
    await scope.save();
  }

  /** Makes all that a machine needs on its host, and not the machine: for whoever runs Terraform on its stack himself. */
  async prepare(key: ObjectKey): Promise<void> {
    const machine = await this.#options.store.get(MachineKind, key);
    if (!machine) return;
    const scope = new MachineScope(this.#options.store, machine);
    await scope.claim(false);
    const { placed, resolved } = await this.#resolve(scope);
    await this.#prepareHost(scope, placed, resolved);
    await scope.save();
  }

  async #resolve(scope: MachineScope): Promise<{ placed: PlacedMachine; resolved: ResolvedMachine }> {
    const { resolver } = this.#options;
    const placed = await scope.step('HostReady', () => resolver.place(scope.machine));
    // Before anything asks a host that does not answer.
    await scope.step('HostReady', async () => this.#lastSeen(placed));
    const seed = await scope.step('BootstrapDataReady', () => resolver.seed(placed));
    scope.setCondition('BootstrapDataReady', 'True', 'AsSpecified');
    return { placed, resolved: await scope.step('HostReady', () => resolver.resolve(placed, seed)) };
  }

  async #reconcileNormal(scope: MachineScope): Promise<Result> {
    if (scope.providerStatus.appliedHash === undefined) this.#options.actuator.warm();
    const { placed, resolved } = await this.#resolve(scope);
    const isNew = scope.providerStatus.appliedHash === undefined;
    const observed = isNew ? undefined : await scope.step('HostReady', () => this.#look(placed));
    if (!isNew) scope.setCondition('HostReady', 'True', 'AsSpecified');
    const reason = reasonToRun(scope, resolved, observed);
    if (reason !== undefined && (await this.#isHeld(scope, resolved))) {
      return this.#settle(scope, placed, observed, scope.providerStatus.lastPlan);
    }
    const now = reason === undefined ? observed : await this.#makeTrue(scope, placed, resolved, reason);
    await scope.claim(true);
    return this.#settle(scope, placed, now);
  }

  /** Writes down what was seen. A guest that runs without an address is looked at again soon. */
  async #settle(
    scope: MachineScope,
    placed: PlacedMachine,
    observed: DomainObservation | undefined,
    held?: MachineProviderStatus['lastPlan'],
  ): Promise<Result> {
    scope.clearError();
    scope.setProviderStatus({ domainName: domainName(placed.identity) });
    recordObservation(scope, placed.spec, observed);
    if (!held) scope.clearPlan();
    else {
      const what = `plan ${held.id} waits: ${held.summary}; ${howToApprove(held.id)}`;
      scope.setCondition('DomainReady', 'False', 'WaitingForApproval', what);
    }
    scope.summarize();
    await scope.save();
    return scope.status.phase === 'Provisioned' && placed.spec.running
      ? { requeueAfterMs: addressPollMs(scope) }
      : {};
  }

  /** True while the plan of what would be done waits for a person's word. Makes the plan, and nothing else. */
  async #isHeld(scope: MachineScope, { intent }: ResolvedMachine): Promise<boolean> {
    if (!isPlanOnly(scope.machine)) return false;
    const preview = await scope.step('DomainReady', () => this.#options.actuator.plan(intent));
    if (preview.plan.action === 'none') {
      scope.clearPlan();
      return false;
    }
    const report = planReport(intent, preview);
    recordPlan(scope, this.#options.recorder, report);
    return approvedPlan(scope.machine) !== report.id;
  }

  /** Shared things of the host first, then one create, or a guarded update. Returns what is there afterwards. */
  async #makeTrue(
    scope: MachineScope,
    placed: PlacedMachine,
    resolved: ResolvedMachine,
    reason: string,
  ): Promise<DomainObservation | undefined> {
    const { actuator, allowReplace, onProgress } = this.#options;
    const { intent } = resolved;
    const onEvent = (event: ActuatorEvent) => onProgress?.(scope.key, event);
    const exists = await scope.step('DomainReady', () => actuator.hasState(placed.identity));
    scope.status.phase = exists ? (scope.status.phase ?? 'Provisioning') : 'Provisioning';
    scope.setOperation(exists ? 'Update' : 'Create', 'Processing', reason);
    scope.setCondition('DomainReady', 'False', 'Provisioning', reason);
    // What the machine stands on is let go, and what it will stand on made, only for a change that may go ahead.
    const made = exists ? scope.providerStatus.pinned : undefined;
    const facts = await this.#prepareHost(scope, placed, made ? { intent, pinned: made } : resolved);
    const beforeApply = () => this.#prepareHost(scope, placed, resolved, made);

    const started = Date.now();
    const options = {
      onEvent,
      allowReplace,
      approvedPlan: approvedPlan(scope.machine),
      onlyApproved: isPlanOnly(scope.machine) && scope.providerStatus.lastPlan !== undefined,
      shutdownTimeoutMs: this.#shutdownTimeoutMs(placed),
      ...(made && !isDeepStrictEqual(made, resolved.pinned) ? { beforeApply } : {}),
    };
    try {
      await scope.step('DomainReady', () =>
        exists ? actuator.update(intent, facts, options) : actuator.create(intent, facts, options),
      );
    } catch (error) {
      if (error instanceof ReplaceRefused) {
        recordPlan(scope, this.#options.recorder, planReport(intent, error.preview));
      }
      throw error;
    }
    const verb = exists ? 'Updated' : 'Created';
    const took = `${((Date.now() - started) / 1_000).toFixed(1)} s`;
    this.#options.recorder.event(scope.machine, {
      type: 'Normal',
      reason: verb,
      message: `${reason}; took ${took}`,
    });
    scope.setOperation(exists ? 'Update' : 'Create', 'Successful', `${reason}; took ${took}`);
    scope.setProviderStatus({
      appliedHash: intentHash(intent),
      lastPlanTime: new Date().toISOString(),
      pinned: resolved.pinned,
    });
    scope.clearPlan();
    if (options.beforeApply) await this.#prepareHost(scope, placed, resolved);
    return scope.step('DomainReady', () => this.#exists(placed));
  }

  /** What machines share on the host; `made`: what this one still stands on. Returns how the host then looks. */
  async #prepareHost(
    scope: MachineScope,
    placed: PlacedMachine,
    resolved: ResolvedMachine,
    made?: Pinned,
  ): Promise<HostFacts> {
    const { store, hosts, allowReplace, onProgress } = this.#options;
    const { intent, pinned } = resolved;
    await scope.step('HostReady', () => refuseSharedMac(store, placed));
    const before = scope.providerStatus.pinned;
    // Pinned before the host's stack is built: that counts the images which machines have pinned.
    scope.setProviderStatus({ host: siteLabel(placed.site), pinned });
    scope.summarize();
    await scope.save();
    const onEvent = (event: ActuatorEvent) => onProgress?.(scope.key, event);
    const facts = await scope.step('HostReady', async () => {
      const check = (seen: HostFacts) => {
        try {
          preflight(intent, placed.spec, seen, placed.path);
        } catch (error) {
          // An image in a pool that is not there would stop all machines of the host.
          scope.setProviderStatus({ pinned: before });
          throw error;
        }
      };
      const keep = made && imageOf(made);
      const options = { onEvent, allowReplace, volumesOf: poolsOf(intent), check, keep };
      const seen = await hosts.ensure(pinned.uri, options);
      preflight(intent, placed.spec, seen, placed.path);
      return seen;
    });
    scope.setCondition('HostReady', 'True', 'AsSpecified');
    return facts;
  }

  async #reconcileDelete(scope: MachineScope): Promise<Result> {
    const { actuator, hosts, recorder, onProgress } = this.#options;
    scope.status.phase = 'Deleting';
    scope.setOperation('Delete', 'Processing', 'deletion was asked for');
    scope.setCondition('DomainReady', 'False', 'Deleting');
    scope.summarize();
    await scope.save();

    const pinned = scope.providerStatus.pinned;
    // Never pinned: nothing was ever made, not even asked for.
    if (pinned) {
      const started = Date.now();
      const placed = await scope.step('HostReady', () => this.#placeForDeletion(scope.machine));
      await scope.step('DomainReady', () =>
        actuator.delete(locationOf(placed), {
          shutdownTimeoutMs: this.#shutdownTimeoutMs(placed),
          onEvent: (event) => onProgress?.(scope.key, event),
        }),
      );
      const took = `${((Date.now() - started) / 1_000).toFixed(1)} s`;
      recorder.event(scope.machine, { type: 'Normal', reason: 'Deleted', message: `took ${took}` });
    }
    await scope.release();
    if (pinned) await hosts.ensure(pinned.uri, { onEvent: (event) => onProgress?.(scope.key, event) });
    return {};
  }

  #shutdownTimeoutMs({ spec }: PlacedMachine): number {
    return this.#options.powerOff ? 0 : spec.shutdownTimeoutSeconds * 1_000;
  }

  /** A machine can go even when its Cluster is gone already. */
  async #placeForDeletion(machine: Machine): Promise<PlacedMachine> {
    return this.#options.resolver.place(machine).catch((error) => {
      if (!(error instanceof Transient) || error.code !== 'NotFound') throw error;
      const { clusterName: _, ...spec } = machine.spec;
      return this.#options.resolver.place({
        ...machine,
        spec,
        metadata: { ...machine.metadata, labels: {} },
      });
    });
  }

  async #look(placed: PlacedMachine): Promise<DomainObservation | undefined> {
    return this.#lastSeen(placed) ?? this.#exists(placed);
  }

  #lastSeen({ identity, site }: PlacedMachine): DomainObservation | undefined {
    const seen = this.#options.lastSeen?.(site.uri, domainName(identity));
    return seen && isOwnedBy(identity, seen.description) ? seen : undefined;
  }

  async #exists(placed: PlacedMachine): Promise<DomainObservation | undefined> {
    return this.#options.actuator.exists(locationOf(placed), addressSources(placed));
  }

  async #reportFailure(scope: MachineScope, error: unknown): Promise<void> {
    if (!(error instanceof CaplvError)) return;
    scope.summarize();
    this.#options.recorder.event(scope.machine, {
      type: 'Warning',
      reason: error.code,
      message: error.message,
    });
    await scope.save();
  }
}

function locationOf({ identity, site, spec }: PlacedMachine) {
  const pools = [poolOf(spec, site), ...(spec.disks ?? []).flatMap((disk) => disk.pool ?? [])];
  const reservations = reservationsOf({
    name: identity.name,
    interfaces: interfacesOf(identity, spec, site),
  });
  return { ...identity, uri: site.uri, pools, reservations };
}
