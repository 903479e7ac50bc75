/** Sees to it that a LibvirtMachine has the addresses of its pools before its virtual machine is made, and keeps them until that is gone. */

import { isDeepStrictEqual } from 'node:util';
import { CONTRACT_CLUSTER_LABEL } from '../../api/infrastructure/contract.ts';
import { IPAM_API_VERSION } from '../../api/infrastructure/ipam.ts';
import { type LibvirtMachine, LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { ClaimedAddress } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { keyOf } from '../../apimachinery/object-key.ts';
import { type PoolClaim, poolClaimsOf } from '../../intent/addresses/pool-claims.ts';
import { isInfrastructure, objectKey } from '../../intent/names.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import { NO_COUNTS_MS } from '../../kube/runtime/served.ts';
import type { Store } from '../../store/store.ts';
import { MachineScope } from '../machine/scope/scope.ts';
import { type ClaimProblem, type ClaimState, problemOfMade, verdictOf } from './claim-verdict.ts';
import { HeldClaims, type HeldClaimsOptions } from './held-claims.ts';
import { asMachine } from './machine-projection.ts';
import type { MachineOwners } from './owners.ts';

export interface AddressClaimsOptions extends HeldClaimsOptions {
  /** Where LibvirtMachines stand among the Machines: see `ProjectedStore`. */
  readonly store: Store;
  /** Whether the API server has the kinds of claims and addresses. Throws while that cannot be found out. */
  readonly serves: () => Promise<boolean>;
}

export class AddressClaims {
  readonly #options: AddressClaimsOptions;
  readonly #claims: HeldClaims;

  constructor(options: AddressClaimsOptions) {
    this.#options = options;
    this.#claims = new HeldClaims(options);
  }

  /**
   * Claims what the machine lacks, and writes what was granted into its status. Returns undefined if the machine has all its addresses, so
   * that its reconcile goes on; else its status says what it waits for.
   */
  async ensure(one: LibvirtMachine, owners: MachineOwners): Promise<Result | undefined> {
    if (poolClaimsOf(one).length === 0) return undefined;
    if (isMade(one)) return this.#watchOver(one, owners);
    // Another process may have made it: of one that is made no claim is begun or let go.
    const now = await this.#options.infrastructure.get(LibvirtMachineKind, keyOf(one), { fresh: true });
    if (!now || now.metadata.uid !== one.metadata.uid || now.metadata.deletionTimestamp)
      return { requeueAfterMs: NO_COUNTS_MS };
    return isMade(now) ? this.#watchOver(now, owners) : this.#claim(now, owners);
  }

  /** Deletes the claims of a machine, if it is a LibvirtMachine, of which nothing is on a host any more, and lets go of their addresses. */
  async release(key: ObjectKey): Promise<void> {
    if (!isInfrastructure(key)) return;
    const one = await this.#options.infrastructure.get(LibvirtMachineKind, objectKey(key), { fresh: true });
    if (!one) return;
    for (const { name } of poolClaimsOf(one))
      await this.#claims.release({ ...keyOf(one), name }, one.metadata.uid);
  }

  async #claim(one: LibvirtMachine, owners: MachineOwners): Promise<Result | undefined> {
    const scope = this.#scopeOf(one, owners);
    // Before anything is made that has to be given back.
    await scope.claim(false);
    const clusterName = owners.cluster?.metadata.name ?? one.metadata.labels?.[CONTRACT_CLUSTER_LABEL];
    const { problems, granted } = judge(
      await this.#ask(one, (wanted) => this.#claims.claim(one, wanted, clusterName)),
      (state) => verdictOf(state, one.metadata.uid),
    );
    if (problems.length === 0) scope.setProviderStatus({ claimedAddresses: granted });
    report(scope, problems);
    // Else it would count as ready until its first phase says otherwise.
    if (!scope.condition('DomainReady'))
      scope.setCondition('DomainReady', 'False', 'Provisioning', 'the machine is new');
    await scope.save();
    if (problems.length === 0) return undefined;
    return problems.some(isOfSetup) ? { requeueAfterMs: NO_COUNTS_MS } : {};
  }

  /** A machine that is made keeps the addresses that it was made with; what has become of their claims is reported. */
  async #watchOver(one: LibvirtMachine, owners: MachineOwners): Promise<Result | undefined> {
    const { uid } = one.metadata;
    const recorded = one.status?.providerStatus?.claimedAddresses;
    const scope = this.#scopeOf(one, owners);
    const states = await this.#ask(one, (wanted) => this.#claims.observe(one, wanted));
    if (recorded) {
      const { problems } = judge(states, (state) => problemOfMade(state, recorded, uid));
      // Nothing is written for nothing: the status says which generation was applied.
      if (report(scope, problems)) await scope.save();
      return undefined;
    }
    // An object that was restored without its status.
    const { problems, granted } = judge(states, (state) => verdictOf(state, uid));
    if (problems.length === 0) scope.setProviderStatus({ claimedAddresses: granted });
    if (report(scope, problems)) await scope.save();
    return problems.length === 0 ? undefined : { requeueAfterMs: NO_COUNTS_MS };
  }

  #scopeOf(one: LibvirtMachine, owners: MachineOwners): MachineScope {
    return new MachineScope(this.#options.store, asMachine(one, owners));
  }

  async #ask(
    one: LibvirtMachine,
    ask: (wanted: PoolClaim) => Promise<ClaimState>,
  ): Promise<readonly ClaimState[] | ClaimProblem> {
    if (!(await this.#options.serves()))
      return {
        reason: 'IPAMNotInstalled',
        message: `the API server has no IPAddressClaims of ${IPAM_API_VERSION}; install Cluster API v1.11 or later, and the IPAM provider of the pools`,
      };
    try {
      return await Promise.all(poolClaimsOf(one).map(ask));
    } catch (error) {
      if (!hasReason(error, 'Forbidden')) throw error;
      const message = `IPAddressClaims are served, and rights on them are missing: ${error.message}; kubectl apply -k deploy/infrastructure/rbac`;
      return { reason: 'NotAllowed', message };
    }
  }
}

function isMade({ status }: LibvirtMachine): boolean {
  return status?.providerStatus?.pinned !== undefined;
}

/** True for what no event of a claim ends. */
function isOfSetup({ reason }: ClaimProblem): boolean {
  return reason === 'IPAMNotInstalled' || reason === 'NotAllowed';
}

function judge(
  states: readonly ClaimState[] | ClaimProblem,
  verdict: (state: ClaimState) => ClaimedAddress | ClaimProblem | undefined,
): { readonly problems: readonly ClaimProblem[]; readonly granted: ClaimedAddress[] } {
  if ('reason' in states) return { problems: [states], granted: [] };
  const verdicts = states.flatMap((state) => verdict(state) ?? []);
  return {
    problems: verdicts.flatMap((one) => ('reason' in one ? [one] : [])),
    granted: verdicts.flatMap((one) => ('reason' in one ? [] : [one])),
  };
}

/** Returns true if the condition, or the record of the addresses, is another one than is stored. */
function report(scope: MachineScope, problems: readonly ClaimProblem[]): boolean {
  const [problem] = problems;
  const message = problems.map((one) => one.message).join('; ');
  const before = scope.condition('AddressesClaimed');
  const isSame = before?.reason === (problem?.reason ?? 'AsSpecified') && before.message === message;
  if (problem && !isSame) scope.setCondition('AddressesClaimed', 'False', problem.reason, message);
  if (!problem && !isSame) scope.setCondition('AddressesClaimed', 'True', 'AsSpecified');
  return !isDeepStrictEqual(scope.status, scope.machine.status);
}
