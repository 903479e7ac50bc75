/** Decides what an IPAddressClaim of a LibvirtMachine, and the IPAddress for it, mean for the machine. Pure. */

import type { IPAddress, IPAddressClaim } from '../../api/infrastructure/ipam.ts';
import type { ClaimedAddress } from '../../api/kinds/machine.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import { grantedAddress, type PoolClaim } from '../../intent/addresses/pool-claims.ts';
import type { Reason } from '../shared/conditions.ts';

/** What is known of one claim. */
export interface ClaimState {
  readonly wanted: PoolClaim;
  /** Undefined: there is none of that name. */
  readonly claim: IPAddressClaim | undefined;
  readonly address: IPAddress | undefined;
  /** False: no kind of that name and group is served; absent: that was not asked. */
  readonly isPoolKindServed?: boolean | undefined;
}

export interface ClaimProblem {
  readonly reason: Reason | 'NotOwned' | 'NotAllowed';
  readonly message: string;
}

/** Returns what was granted for a machine that is not made yet, or why it has to wait. `uid`: of the machine. */
export function verdictOf(state: ClaimState, uid: string | undefined): ClaimedAddress | ClaimProblem {
  const { wanted, claim, address, isPoolKindServed } = state;
  const { pool } = wanted;
  if (!claim)
    return {
      reason: 'WaitingForPool',
      message: `${wanted.path}: IPAddressClaim "${wanted.name}" is being made`,
    };
  if (!isClaimOf(claim, uid))
    return {
      reason: 'NotOwned',
      message: `${wanted.path}: an IPAddressClaim "${wanted.name}" is there that belongs to something else; delete it, or give the machine another name`,
    };
  if (claim.metadata.deletionTimestamp)
    return {
      reason: 'ClaimDeleted',
      message: `${wanted.path}: IPAddressClaim "${wanted.name}" is being deleted; another one is made when it is gone`,
    };
  const from = `${pool.kind} "${pool.name}"`;
  if (!address) {
    const ready = findCondition(claim, 'Ready');
    const says = ready?.status === 'False' ? `: ${ready.reason}: ${ready.message}` : '';
    if (ready?.reason === 'PoolExhausted' && says)
      return { reason: 'PoolExhausted', message: `${wanted.path}: ${from} has no free address${says}` };
    if (isPoolKindServed === false && !says)
      return {
        reason: 'PoolKindUnknown',
        message: `${wanted.path}: the API server has no kind ${pool.kind} in ${pool.apiGroup}; correct the reference, or install the IPAM provider that has it`,
      };
    return {
      reason: 'WaitingForPool',
      message: `${wanted.path}: ${from} has not answered IPAddressClaim "${wanted.name}"${says || '; see whether it is there and has a free address, and whether its IPAM provider runs'}`,
    };
  }
  const granted = readGranted(state);
  if ('reason' in granted) return granted;
  if (address.metadata.deletionTimestamp)
    return {
      reason: 'ClaimDeleted',
      message: `${wanted.path}: IPAddress "${address.metadata.name}" of ${from} is being deleted; delete IPAddressClaim "${wanted.name}" to have another one`,
    };
  return granted;
}

/** Returns what is wrong with a claim of a machine that was made with the addresses of `all`, and keeps them; undefined: nothing. */
export function problemOfMade(
  state: ClaimState,
  all: readonly ClaimedAddress[],
  uid: string | undefined,
): ClaimProblem | undefined {
  const { wanted, claim, address } = state;
  const recorded = all.find((one) => one.claim === wanted.name);
  if (!recorded) return undefined;
  const keeps = `the machine keeps ${recorded.address}`;
  if (!claim || !isClaimOf(claim, uid))
    return {
      reason: 'ClaimDeleted',
      message: `${wanted.path}: IPAddressClaim "${wanted.name}" is gone, and its pool may give the address to another machine; ${keeps}: replace it`,
    };
  if (claim.metadata.deletionTimestamp)
    return {
      reason: 'ClaimDeleted',
      message: `${wanted.path}: IPAddressClaim "${wanted.name}" was deleted; its finalizer holds the address until this machine is gone, ${keeps}`,
    };
  // After clusterctl move its provider answers again.
  if (!address && claim.status?.addressRef?.name === undefined)
    return {
      reason: 'WaitingForPool',
      message: `${wanted.path}: IPAddressClaim "${wanted.name}" names no address; ${keeps}`,
    };
  if (!address || address.metadata.deletionTimestamp)
    return {
      reason: 'ClaimDeleted',
      message: `${wanted.path}: the IPAddress of IPAddressClaim "${wanted.name}" was deleted, and its pool may give the address to another machine; ${keeps}`,
    };
  const granted = readGranted(state);
  if ('address' in granted && granted.address === recorded.address && granted.gateway === recorded.gateway)
    return undefined;
  const now = 'address' in granted ? describe(granted) : granted.message;
  return {
    reason: 'AddressChanged',
    message: `${wanted.path}: IPAddressClaim "${wanted.name}" now has ${now}; ${keeps} (${describe(recorded)}): replace it to have the other one`,
  };
}

/** True if the claim was made for the machine, and not for another one of its name. */
export function isClaimOf({ metadata }: IPAddressClaim, uid: string | undefined): boolean {
  return metadata.ownerReferences?.some((one) => one.controller === true && one.uid === uid) ?? false;
}

function readGranted({ wanted, address }: ClaimState): ClaimedAddress | ClaimProblem {
  const unusable = (what: string): ClaimProblem => ({
    reason: 'AddressUnusable',
    message: `${wanted.path}: the IPAddress "${address?.metadata.name}" of ${wanted.pool.kind} "${wanted.pool.name}" ${what}`,
  });
  if (!address || address.spec.claimRef?.name !== wanted.name)
    return unusable(`is for IPAddressClaim "${address?.spec.claimRef?.name}", not for "${wanted.name}"`);
  const granted = grantedAddress(address);
  if ('unusable' in granted) return unusable(granted.unusable);
  return { interface: wanted.interface, claim: wanted.name, ...granted };
}

function describe({ address, gateway }: Pick<ClaimedAddress, 'address' | 'gateway'>): string {
  return gateway === undefined ? address : `${address} with gateway ${gateway}`;
}
