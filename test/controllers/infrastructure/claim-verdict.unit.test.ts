/** Verifies which states of an IPAddressClaim a machine accepts, waits for or reports. */

import { describe, expect, it } from 'vitest';
import type { IPAddress, IPAddressClaim } from '../../../src/api/infrastructure/ipam.ts';
import {
  type ClaimState,
  problemOfMade,
  verdictOf,
} from '../../../src/controllers/infrastructure/claim-verdict.ts';

const UID = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';
const pool = { apiGroup: 'ipam.cluster.x-k8s.io', kind: 'InClusterIPPool', name: 'rack1' };
const path = 'spec.interfaces[0].addressesFromPools[0]';
const wanted = { name: 'web-0-0', interface: 0, pool, path };
const GRANTED = { interface: 0, claim: 'web-0-0', address: '10.0.0.5/24', gateway: '10.0.0.1' };
const DELETED = { deletionTimestamp: '2026-01-01T00:00:00Z' };

function claim(metadata: object = {}, status?: object): IPAddressClaim {
  const owner = { apiVersion: 'a/v1', kind: 'LibvirtMachine', name: 'web', uid: UID, controller: true };
  return {
    metadata: { name: 'web-0-0', ownerReferences: [owner], ...metadata },
    spec: { poolRef: pool },
    ...(status && { status }),
  } as IPAddressClaim;
}

const answered = (metadata: object = {}) => claim(metadata, { addressRef: { name: 'web-0-0' } });
const refused = (reason: string, message: string) =>
  claim({}, { conditions: [{ type: 'Ready', status: 'False', reason, message }] });

function address(spec: object = {}, metadata: object = {}): IPAddress {
  return {
    metadata: { name: 'web-0-0', ...metadata },
    spec: { claimRef: { name: 'web-0-0' }, address: '10.0.0.5', prefix: 24, gateway: '10.0.0.1', ...spec },
  } as IPAddress;
}

const state = (
  claim: IPAddressClaim | undefined,
  address?: IPAddress,
  isPoolKindServed?: boolean,
): ClaimState => ({ wanted, claim, address, isPoolKindServed });

describe('before the virtual machine is made, a claim', () => {
  it('that is answered gives the address', () => {
    expect(verdictOf(state(answered(), address()), UID)).toEqual(GRANTED);
  });

  it.each<[string, ClaimState, string, RegExp]>([
    ['is not there yet', state(undefined), 'WaitingForPool', /"web-0-0" is being made/],
    [
      'is another object of that name',
      state(claim({ ownerReferences: [] })),
      'NotOwned',
      /belongs to something else/,
    ],
    ['is being deleted', state(claim(DELETED)), 'ClaimDeleted', /another one is made/],
    [
      'has no answer',
      state(claim(), undefined, true),
      'WaitingForPool',
      /InClusterIPPool "rack1" has not answered/,
    ],
    ['is of an unknown kind', state(claim(), undefined, false), 'PoolKindUnknown', /no kind InClusterIPPool/],
    [
      'is told that all are used',
      state(refused('PoolExhausted', '3 of 3 are used'), undefined, true),
      'PoolExhausted',
      /InClusterIPPool "rack1" has no free address: PoolExhausted: 3 of 3 are used/,
    ],
    [
      'is told that the pool is not ready, by a provider whose kind is not served',
      state(refused('PoolNotReady', 'no subnet'), undefined, false),
      'WaitingForPool',
      /PoolNotReady: no subnet/,
    ],
    ['names an address that is not there', state(answered(), undefined, true), 'WaitingForPool', /web-0-0/],
    [
      'names the address of another claim',
      state(answered(), address({ claimRef: { name: 'other-0-0' } })),
      'AddressUnusable',
      /is for IPAddressClaim "other-0-0", not for "web-0-0"/,
    ],
    [
      'has an address that none can use',
      state(answered(), address({ prefix: 33 })),
      'AddressUnusable',
      /\/33/,
    ],
    [
      'has an address that is being deleted',
      state(answered(), address({}, DELETED)),
      'ClaimDeleted',
      /IPAddress "web-0-0"/,
    ],
  ])('that %s has the machine wait', (_, given, reason, message) => {
    const verdict = verdictOf(given, UID);
    expect(verdict).toEqual({ reason, message: expect.stringMatching(message) });
    expect(verdict).toEqual({ reason, message: expect.stringContaining(path) });
  });
});

describe('of a machine that is made, a claim', () => {
  it.each<[string, ClaimState]>([
    ['with the address that the machine has', state(answered(), address())],
    ['of which nothing is recorded', { ...state(undefined), wanted: { ...wanted, name: 'web-9-9' } }],
  ])('%s is no problem', (_, given) => {
    expect(problemOfMade(given, [GRANTED], UID)).toBeUndefined();
  });

  it.each<[string, ClaimState, string, RegExp]>([
    ['is gone', state(undefined), 'ClaimDeleted', /is gone/],
    ['is that of another one', state(claim({ ownerReferences: [] })), 'ClaimDeleted', /is gone/],
    ['was deleted', state(answered(DELETED), address()), 'ClaimDeleted', /its finalizer holds the address/],
    ['lost its answer', state(claim()), 'WaitingForPool', /names no address/],
    ['lost its address', state(answered()), 'ClaimDeleted', /was deleted/],
    [
      'has another address',
      state(answered(), address({ address: '10.0.0.6' })),
      'AddressChanged',
      /now has 10\.0\.0\.6\/24/,
    ],
    [
      'has another gateway',
      state(answered(), address({ gateway: '10.0.0.2' })),
      'AddressChanged',
      /gateway 10\.0\.0\.2/,
    ],
    [
      'has no gateway any more',
      state(answered(), address({ gateway: undefined })),
      'AddressChanged',
      /now has 10\.0\.0\.5\/24;/,
    ],
  ])('that %s is reported, with the address that the machine keeps', (_, given, reason, message) => {
    const problem = problemOfMade(given, [GRANTED], UID);
    expect(problem).toEqual({ reason, message: expect.stringMatching(message) });
    expect(problem?.message).toContain('the machine keeps 10.0.0.5/24');
  });
});
