/** Verifies which Cluster a Machine belongs to. */

import { describe, expect, it } from 'vitest';
import { isOfCluster, type Machine, settledCluster } from '../../../src/api/kinds/machine.ts';
import { API_VERSION } from '../../../src/api/schema/group.ts';

type Pinned = NonNullable<NonNullable<Machine['status']>['providerStatus']>['pinned'];

const pinned = (site: object | undefined): Pinned =>
  ({ uri: 'qemu:///system', ...(site && { site }) }) as unknown as Pinned;

const machine = (spec: object, made?: Pinned): Machine =>
  ({
    apiVersion: API_VERSION,
    kind: 'Machine',
    metadata: { name: 'web', namespace: 'default' },
    spec,
    ...(made && { status: { providerStatus: { pinned: made } } }),
  }) as unknown as Machine;

const SITE = { network: 'default', pool: 'default' };
const FUJISAN = { name: 'fujisan', namespace: 'default' };

describe('the Cluster of a machine', () => {
  it.each([
    ['that names it', machine({ clusterName: 'fujisan' }), 'fujisan', true],
    [
      'that names another',
      machine({ clusterName: 'other' }, pinned({ ...SITE, cluster: 'fujisan' })),
      'other',
      false,
    ],
    ['that was made for it', machine({}, pinned({ ...SITE, cluster: 'fujisan' })), 'fujisan', true],
    ['that was made for another', machine({}, pinned({ ...SITE, cluster: 'other' })), 'other', false],
    ['that was there before any Cluster', machine({}, pinned(SITE)), undefined, false],
  ])('is settled for one %s', (_, one, name, isOf) => {
    expect(settledCluster(one)).toEqual({ name });
    expect(isOfCluster(one, FUJISAN)).toBe(isOf);
  });

  it.each([
    ['that was made before it was noted, which may depend on any', machine({}, pinned(undefined)), true],
    ['that is not made yet, which keeps no Cluster from going', machine({}), false],
  ])('is open for one %s', (_, one, isOf) => {
    expect(settledCluster(one)).toBeUndefined();
    expect(isOfCluster(one, FUJISAN)).toBe(isOf);
  });
});
